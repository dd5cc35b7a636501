"""Checkers: functions over what users were told, what the log says, and what stands at the peers in the end."""
