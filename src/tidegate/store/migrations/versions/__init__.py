"""One module a schema version, numbered from 1."""
