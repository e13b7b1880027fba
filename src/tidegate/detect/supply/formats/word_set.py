"""Words: sets of them as text that a person can read down, and foreign ones made safe to show."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text.

    >>> sorted(words("b a"))
    ['a', 'b']
    """
    return frozenset(text.split())


def printable(text: str, limit: int = 200) -> str:
    r"""Return foreign text for a message: what could steer a terminal is escaped.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    shown = (char if char.isprintable() else ascii(char)[1:-1] for char in text[:limit])
    return "".join(shown)
