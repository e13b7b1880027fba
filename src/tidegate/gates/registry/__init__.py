"""Registry: scan, sign, admit and promote models."""
