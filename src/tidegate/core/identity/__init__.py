"""Keys, roles and the trust root: who may say what, and when."""
