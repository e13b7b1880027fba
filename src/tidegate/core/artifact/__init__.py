"""From paths to digests: trees, tables, blobs."""
