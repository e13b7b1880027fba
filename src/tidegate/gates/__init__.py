"""The one gate runner, and what each stage adds to it."""
