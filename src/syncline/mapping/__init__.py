"""Floor 1, decisions: from canonical changes to what one peer must write, pure."""
