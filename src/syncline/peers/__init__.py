"""Floor 1, doors: one folder per kind of peer, all behind one protocol."""
