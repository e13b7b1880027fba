"""Tidegate: gates, proofs and watch over the whole AI pipeline."""
