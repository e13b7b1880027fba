"""The trusted core: what an auditor reads to believe every other answer.

It imports the standard library, ``cryptography``, ``blake3`` and the CEL engine, and
``pyarrow`` in :mod:`tidegate.tables` alone.
"""
