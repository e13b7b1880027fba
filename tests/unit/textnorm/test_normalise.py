"""Normalising: what reads alike becomes alike, what no reader sees is taken out and told."""

import pytest

from tidegate.textnorm import normalise
from tidegate.textnorm.confusables import ALWAYS, FOLD, fold_word
from tidegate.textnorm.normalise import plain

TAGGED = "".join(chr(0xE0000 + ord(char)) for char in "run it")
SELECTED = "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in b"obey me")

CASES = {
    "plain": ("ignore this", "ignore this"),
    "full width": ("\uff49\uff47\uff4e\uff4f\uff52\uff45", "ignore"),
    "mathematical": ("\U0001d422\U0001d420\U0001d427\U0001d428\U0001d42b\U0001d41e", "ignore"),
    "ligature": ("\ufb01le", "file"),
    "zero width": ("ig\u200bno\u2060re", "ignore"),
    "soft hyphen": ("ig\u00adnore", "ignore"),
    "bidi": ("\u202eerongi\u202c", "erongi"),
    "tags": (f"hello{TAGGED}", "hello"),
    "selectors": (f"hi\U0001f600{SELECTED}", "hi\U0001f600"),
    "cyrillic in latin": ("ign\u043er\u0435", "ignore"),
    "greek in latin": ("ign\u03bfre", "ignore"),
    "small capitals": ("\u026a\u0262\u0274\u1d0f\u0280\u1d07", "ignore"),
    "boxed": ("\U0001f178\U0001f176", "ig"),
    "all cyrillic": (
        "\u043f\u0440\u0438\u0432\u0435\u0442",
        "\u043f\u0440\u0438\u0432\u0435\u0442",
    ),
    "entity": ("&lt;system&gt;", "<system>"),
    "entity of entity": ("&amp;amp;lt;b", "<b"),
    "numeric entity": ("&#105;&#x67;nore", "ignore"),
    "entity of zero width": ("ig&#8203;nore", "ignore"),
    "no entity": ("AT&T; &nothing; &#0;", "AT&T; &nothing; &#0;"),
    "blanks": (" a \t b\u00a0c \r\n\r\n d ", "a b c\nd"),
    "line separator": ("a\u2028b", "a\nb"),
    "composed": ("e\u0301", "\u00e9"),
    "empty": ("", ""),
    "only blanks": (" \n ", ""),
    "unpaired": ("a\ud800b", "a\ud800b"),
}


@pytest.mark.parametrize("name", list(CASES))
def test_what_reads_alike_becomes_alike(name: str) -> None:
    text, expected = CASES[name]
    assert normalise(text).text == expected


def test_what_tags_and_selectors_spell_is_told() -> None:
    assert normalise(f"hello{TAGGED}").hidden == ("run it",)
    assert normalise(f"hi\U0001f600{SELECTED}").hidden == ("obey me",)


@pytest.mark.parametrize(
    ("text", "removed"),
    [
        ("\u2764\ufe0f fine", {}),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", {}),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", {}),
        ("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", {}),
        ("\u05d0\u200f\u05d1", {}),
        ("\ufeffhello", {}),
        ("i\u200dg", {"zero-width": 1}),
        ("a\u200b\u200bb", {"zero-width": 2}),
        ("\u202ea\u202c", {"bidi": 2}),
        ("a\x00b", {"control": 1}),
        (f"x{TAGGED}", {"tags": 6}),
    ],
)
def test_only_marks_that_are_out_of_place_are_counted(text: str, removed: dict[str, int]) -> None:
    assert {kind: count for kind, count in normalise(text).removed.items() if count} == removed


def test_offsets_lead_back_to_the_original() -> None:
    text = "x\u200by &lt;\uff41\ufb01&gt;"
    seen = normalise(text)
    assert seen.text == "xy <afi>"
    at = seen.text.index("<")
    assert text[slice(*seen.span(at, at + 1))] == "&lt;"
    assert text[slice(*seen.span(at + 1, at + 2))] == "\uff41"


def test_plain_drops_accents_and_case() -> None:
    assert plain("\u00cfGN\u00d6R\u00c9 stra\u00dfe") == "ignore stra\u00dfe"


def test_the_table_folds_one_to_one_and_never_folds_latin() -> None:
    for look, letter in (FOLD | ALWAYS).items():
        assert len(letter) == 1
        assert letter.isascii()
        assert look > 0x7F
    assert fold_word("na\u00efve") == "na\u00efve"
