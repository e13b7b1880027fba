"""What runs inside the confinement, and all that it may see of Tidegate."""
