"""The demonstration: three offices, real data, crashes, a count of what was lost."""
