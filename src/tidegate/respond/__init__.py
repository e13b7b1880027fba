"""Alerts and directives."""
