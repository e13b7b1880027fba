"""Models as tensors: a digest that knows each of them, wherever it is kept."""
