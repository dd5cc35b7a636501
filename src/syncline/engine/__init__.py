"""Floor 2, the loop: ingest, deliver, join and what keeps them going."""
