"""Typed facts, CEL rules and decisions that explain themselves."""
