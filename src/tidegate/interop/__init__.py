"""Formats of others that we write and read: model signatures (OMS), SLSA, VSA, X.509."""
