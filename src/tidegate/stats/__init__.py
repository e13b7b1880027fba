"""Intervals, permutation and sequential tests, sketches."""
