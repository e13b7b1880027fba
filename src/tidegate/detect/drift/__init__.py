"""Frozen profiles, distances, and the sequential test over windows."""
