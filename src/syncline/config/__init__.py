"""Floor 3: configuration text to a checked model."""
