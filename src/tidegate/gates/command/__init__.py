"""Wrapped commands: what prepare, train and validate share when they run somebody's program."""
