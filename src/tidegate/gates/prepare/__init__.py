"""Prepare: pinned transforms over admitted inputs, and splits that share no rows."""
