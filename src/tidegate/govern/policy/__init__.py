"""Questions about policy that decide nothing: why not, what if, what was seen, does it hold."""
