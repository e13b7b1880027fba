r"""Text from artifacts is untrusted: made visible before any format escapes it.

A name, column or message may hold control characters, terminal escapes, or characters that
reorder or hide text (Unicode bidi controls, zero-width and tag characters). They are shown as
escapes, so that what is read is what is there. Printable text of any script stays as it is.

>>> plain("a\x1b[31mred\u202e.exe")
'a\\x1b[31mred\\u202e.exe'
>>> clip("abcdef", 4)
'abc…'
"""


def plain(text: str) -> str:
    """Return one line of printable text; everything else becomes a visible escape.

    ``str.isprintable`` is false for Unicode categories Other and Separator save the space: all
    control, format (bidi, zero-width, tag), surrogate, private-use and unassigned characters,
    and line and paragraph separators.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def clip(text: str, limit: int) -> str:
    """Return :func:`plain` text of at most ``limit`` characters, with an ellipsis if cut."""
    # Escaping makes text longer, never shorter: what lies beyond the limit can't matter.
    shown = plain(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
