"""Archives and compression: read without extracting to disk, within a budget."""
