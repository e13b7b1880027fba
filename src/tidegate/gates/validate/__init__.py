"""Validate: judge a model on sets of independent sources, without ever loading it here."""
