"""Detectors over free text and text columns."""
