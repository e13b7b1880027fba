"""Detectors over tables."""
