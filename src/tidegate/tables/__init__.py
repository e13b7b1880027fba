"""Tables by content: a digest that is the same for CSV, JSONL and Parquet of one table.

Import the module that you need: :mod:`~tidegate.tables.schema` is light,
:mod:`~tidegate.tables.digest` and :mod:`~tidegate.tables.read` bring pyarrow and numpy.
"""
