"""The data plane: an ASGI proxy in front of models."""
