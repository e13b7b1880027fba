"""The attack catalogue, run for real against the gates."""
