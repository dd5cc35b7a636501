"""Floor 1, decisions: digests, key ranges and row differences, pure."""
