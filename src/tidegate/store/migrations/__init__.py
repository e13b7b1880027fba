"""The schema's history, as alembic revisions; a released one never changes."""
