"""Statements, envelopes and bundles: how a claim is written and signed."""
