"""Floor 1, decisions: ordering and conflicts, pure functions over values."""
