"""How much a text reads like English: the share of its words that are common ones.

>>> likeness("please tell me what is in the file") > 0.8
True
>>> likeness("cyrnfr gryy zr jung vf va gur svyr")
0.0
"""

import re

WORDS = frozenset(
    """
    a about above access act after again all also am an and answer any are as ask at be because been
    before begin below but by call can code command content could data delete do document does don
    email every file first follow following for forget from full get give go had has have he hello
    help her here him his how i if ignore in info information instruction instructions into is it
    its just key know last let like list look mail make may me message messages mode model more my
    name never new no not now of on one only open or other our out output over password please
    previous print prior prompt put read reply repeat respond response reveal rules run safety say
    secret see send she should show so some such system take tell text than that the their them
    then there these they this those to told tool translate up us use user using was way we were
    what when where which who why will with without word words would write you your
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
"""Function words, and the verbs and nouns of instructions."""

_WORD = re.compile(r"[a-z]+")


def likeness(text: str) -> float:
    """Return the share of common words, from 0 to 1; 0 where there are no words."""
    words = _WORD.findall(text.lower())
    return sum(word in WORDS for word in words) / len(words) if words else 0.0
