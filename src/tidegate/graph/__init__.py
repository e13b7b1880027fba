"""Lineage and inventory as projections of the ledger."""
