"""A reader of HDF5 files, as far as model files use them; pure Python, bounded, in place."""
