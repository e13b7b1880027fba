"""Sets of words, written as text that a person can read down."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text.

    >>> sorted(words("b a"))
    ['a', 'b']
    """
    return frozenset(text.split())
