"""HTTP: a space's status, metrics and drift for other programs to read. Thin: it asks what verbs ask, and changes nothing."""
