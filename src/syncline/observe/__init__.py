"""What a status means to those who watch: metrics, and whether all is well. Pure: from a report's plain data to plain data."""
