"""Keys at rest: sealed files, one folder a principal."""
