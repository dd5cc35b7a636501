"""One file per conflict policy family; each is a pure function of three values."""
