# ruff: noqa: RUF001, RUF002 - look-alikes are the subject
"""Letters of other scripts that pass for Latin ones, folded only inside words that mix scripts.

A Russian or Greek word stays as it is: a word is folded only where it holds a Latin letter too, as
no honest word does.

>>> fold_word("іgnоre")
'ignore'
>>> fold_word("привет")
'привет'
"""

import re

_CYRILLIC = dict(zip("асеорхуіјѕһԁԛԝкмтвнѵгь", "aceopxyijshdqwkmtbnvrb", strict=True))
_CYRILLIC_CAPITALS = dict(zip("АВСЕНІЈКМОРЅТХУҮԌ", "ABCEHIJKMOPSTXYYG", strict=True))
_GREEK = dict(zip("αβεγικνορτυχω", "abeyiknoptuxw", strict=True))
_GREEK_CAPITALS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True))
_ARMENIAN = dict(zip("օոսհցզքյ", "onuhgqpj", strict=True))
_MISC = dict(zip("ıɑɡɩʟոꞵʙᴄᴅᴇꜰɢʜɪᴊᴋᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", "iagilnbbcdefghijkmnopqrstuvwyz", strict=True))
_SQUARED = {
    chr(start + letter): chr(ord("a") + letter)
    for start in (0x1F130, 0x1F150, 0x1F170)
    for letter in range(26)
}

FOLD: dict[int, str] = {
    ord(look): plain
    for table in (_CYRILLIC, _CYRILLIC_CAPITALS, _GREEK, _GREEK_CAPITALS, _ARMENIAN, _MISC)
    for look, plain in table.items()
}
"""Look-alike to Latin letter, for words that mix scripts."""

ALWAYS: dict[int, str] = {ord(look): plain for look, plain in _SQUARED.items()} | {
    ord(look): _MISC[look] for look in "ʙᴄᴅᴇꜰɢʜɪᴊᴋᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢʟ"
}
"""Letters in disguise that belong to no living script: small capitals and boxed letters."""

_LATIN = re.compile("[A-Za-z]")


def fold_word(word: str) -> str:
    """Fold the look-alikes of one word; the result is as long as the word."""
    return word.translate(FOLD) if _LATIN.search(word) else word
