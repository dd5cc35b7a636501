"""Floor 2, the loop: comparing peers and repairing what differs."""
