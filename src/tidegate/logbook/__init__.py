"""Around the ledger: witnesses and client memory, static export, full checks, group commit.

Nothing here is needed to verify a statement; that is :mod:`tidegate.core.ledger`.
"""
