"""Syncline keeps the same records equal in many places: one ordered log, readable conflict rules, proof of equality."""

__version__ = "0.1.0"
