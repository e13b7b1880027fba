"""Monitor: compare live windows with the profile that was frozen when the model was promoted."""
