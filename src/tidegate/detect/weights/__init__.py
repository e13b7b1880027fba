"""Weights: what the numbers of a model hint at. Indicators with measured rates, no verdicts."""
