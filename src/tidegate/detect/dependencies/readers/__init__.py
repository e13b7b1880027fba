"""Readers of lock files, one format each: bytes in, a :class:`LockFile` out; nothing is run."""
