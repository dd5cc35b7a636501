"""Private database servers, made of the programs that are installed, and gone with whoever started them."""
