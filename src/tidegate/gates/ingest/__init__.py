"""Ingest: nothing without an owner, a source and a label in; nothing personal above its label."""
