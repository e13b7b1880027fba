"""One examiner a format, and the dispatch that tells formats apart by content."""
