"""Floor 1, doors: the ordered log of a space, behind one protocol."""
