"""Pickle streams: what the C unpickler would do with them, told without doing it."""
