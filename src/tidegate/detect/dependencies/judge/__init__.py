"""Judges: each looks at lock files for one thing, and yields findings."""
