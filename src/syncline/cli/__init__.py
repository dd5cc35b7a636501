"""Floor 4, the face: one thin file per verb."""
