"""Metrics by subgroup, and the comparison of two validation sources."""
