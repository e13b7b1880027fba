"""The demonstration: one small pipeline through all seven gates, attacks included."""
