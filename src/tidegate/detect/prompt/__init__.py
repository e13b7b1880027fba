"""Instructions that should not be there: in what users write, and in what documents say."""
