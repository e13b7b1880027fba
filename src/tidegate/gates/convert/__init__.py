"""Convert: load a model where it can do no harm, and keep it in a format that runs nothing."""
