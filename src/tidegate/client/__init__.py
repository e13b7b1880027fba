"""Talking to other systems over HTTP: bounded in time and size, trusting nothing."""

from tidegate.client.log import HttpLog

__all__ = ["HttpLog"]
