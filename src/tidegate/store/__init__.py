"""SQLite and PostgreSQL behind the protocols of their consumers."""
