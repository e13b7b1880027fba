"""Detectors: one algorithm a file, each a function from an artifact to findings."""
