"""Confined processes for commands and parsers of untrusted bytes."""
