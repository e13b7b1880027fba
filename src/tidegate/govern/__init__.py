"""Controls as data, and what is computed from them."""
