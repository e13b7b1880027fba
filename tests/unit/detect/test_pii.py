"""Sensitive values are found by check digits and evidence, harmless look-alikes are not."""

import gzip
import json
import random
import re
import time
from collections.abc import Iterable
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]  # the parser has no public name
from re import _parser  # type: ignore[attr-defined]  # same

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tidegate.detect.text.pii import inspect_table, inspect_text
from tidegate.detect.text.pii_checks import card, iban, luhn, national, us_npi, us_ssn
from tidegate.detect.text.pii_columns import decide
from tidegate.detect.text.pii_hits import find, mask, words_of
from tidegate.detect.text.pii_rules import RULES
from tidegate.detect.text.pii_types import BY_NAME, FAMILIES, TYPES, Form

RANDOM = random.Random(7)


def digits(n: int) -> str:
    return "".join(RANDOM.choice("0123456789") for _ in range(n))


def with_luhn(prefix: str, length: int) -> str:
    body = prefix + digits(length - len(prefix) - 1)
    return next(body + last for last in "0123456789" if luhn(body + last))


def bsn() -> str:
    check = national("nl.bsn")
    return next(value for value in iter(lambda: digits(9), "") if check(value))


CARDS = [with_luhn("4", 16) for _ in range(60)]
SAMPLES = {
    "CREDIT_CARD": ["4111 1111 1111 1111", "5500-0055-5555-5559", "340000000000009"],
    "IBAN": [
        "GB82WEST12345698765432",
        "DE89 3704 0044 0532 0130 00",
        "fr1420041010050500013m02606",
    ],
    "US_SSN": ["078-05-1120", "219 09 9999"],
    "EMAIL": ["first.last+tag@mail.example.org", "o'neil@host.example"],
    "PHONE": ["+49 30 901820", "(212) 555-0100", "001-810-438-7123x116", "01 23 45 67 89"],
    "IP_ADDRESS": ["86.121.97.248", "2a02:8108:50bf:c694:4d11:1b:2c3:9d2e"],
    "NL_BSN": ["111222333"],
    "PL_PESEL": ["44051401359"],
    "ES_DNI": ["54362315-K"],
    "IT_CODICE_FISCALE": ["RCCMNL83S18D969H"],
    "FR_NIR": ["2 95 10 99 126 111 93"],
    "BR_CPF": ["390.533.447-05"],
    "US_NPI": ["1234567893"],
    "SECRET": [
        "AKIAH3SNJMYFFWSE37TS",
        "ghp_kfrXCAVr929MwnqKeMxdyHhMql65Ay1J0uqB",
        "xoxb-2048-3091-AbCdEfGhIjKl",
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWhlcmU",
        "postgres://app:Zk3vq9Lw@db.internal/prod",
    ],
}
HARMLESS = {
    "order numbers": [digits(9) for _ in range(200)],
    "card-like ids": [digits(16) for _ in range(200)],
    "ids that start like cards": [f"4000{k:012}" for k in range(200)],
    "sequential ids": [str(7_000_000_000 + k) for k in range(200)],
    "milliseconds": [str(1_700_000_000_000 + RANDOM.randrange(10**11)) for _ in range(200)],
    "seconds": [str(1_700_000_000 + RANDOM.randrange(10**7)) for _ in range(200)],
    "versions": [f"{k % 9}.{RANDOM.randrange(40)}.{k % 8}.{k % 7}" for k in range(200)],
    "uuids": [f"{digits(8)}-{digits(4)}-4{digits(3)}-8{digits(3)}-{digits(12)}" for _ in CARDS],
    "digests": ["".join(RANDOM.choice("0123456789abcdef") for _ in range(40)) for _ in range(200)],
    "part numbers": [f"{digits(3)}-{digits(2)}-{digits(2)}" for _ in range(200)],
    "amounts": [f"{RANDOM.randrange(10**9)}.{digits(2)}" for _ in range(200)],
    "coordinates": [f"{RANDOM.uniform(-9, 9):.5f},{RANDOM.uniform(-99, 99):.5f}" for _ in CARDS],
    "dates": [f"20{digits(2)}-0{k % 9 + 1}-1{k % 9} 12:30:{k % 50 + 10}" for k in range(200)],
    "words": ["the quick brown fox", "orders of 2024", "room 101"] * 60,
    "private addresses": [f"10.0.{k}.{k % 9}" for k in range(200)],
    "placeholders": ["AKIAIOSFODNN7EXAMPLE", "sk-xxxxxxxxxxxxxxxxxxxxxxxx"] * 10,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(k, v) for k, vs in SAMPLES.items() for v in vs])
def test_a_column_of_each_type_is_recognised(kind: str, text: str) -> None:
    form_hits = find(f"see {text} there", kinds=[BY_NAME[kind]], doubt=1.0)
    assert [hit.kind.name for hit in form_hits] == [kind]
    assert form_hits[0].valid


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_columns_stay_unlabelled(name: str) -> None:
    assert decide(name.replace(" ", "_"), pa.array(HARMLESS[name])) == []


def test_cards_are_told_from_ids_by_their_pass_rate() -> None:
    [verdict] = decide("ref", pa.array(CARDS))
    assert (verdict.kind, verdict.rows, verdict.dense) == ("CREDIT_CARD", 60, True)
    assert verdict.alike == verdict.distinct
    assert verdict.p < 1e-9
    mixed = decide("ref", pa.array(CARDS[:6] + [digits(16) for _ in range(1_000)]))
    assert mixed == [], "six among a thousand are what chance gives"


def test_sparse_values_are_counted_with_their_rows() -> None:
    notes = [f"nothing to see in row {k}" for k in range(5_000)]
    notes[4_321] = "please write to jane.doe@mail.example"
    [verdict] = decide("notes", pa.array(notes))
    assert (verdict.kind, verdict.rows, verdict.first_row) == ("EMAIL", 1, 4_321)
    assert not verdict.dense
    assert verdict.share.high < 0.002


def test_a_single_value_counts_where_nothing_is_alike() -> None:
    notes = ["nothing", "GB82WEST12345698765432 is all it says", "more"] * 5
    assert [verdict.kind for verdict in decide("notes", pa.array(notes))] == ["IBAN"]
    assert [hit.kind.name for hit in find("4111 1111 1111 1111")] == ["CREDIT_CARD"]


def test_the_header_decides_what_digits_alone_can_not() -> None:
    numbers = [f"{area}{area % 89 + 10}{7 * area + 1000}" for area in range(100, 600, 10)]
    assert [v.kind for v in decide("customer_ssn", pa.array(numbers))] == ["US_SSN"]
    assert "US_SSN" not in [v.kind for v in decide("order", pa.array(numbers))]


def test_national_numbers_are_told_from_each_other() -> None:
    [verdict] = decide("c7", pa.array([bsn() for _ in range(40)]))
    assert verdict.kind == "NL_BSN"


def test_one_repeated_value_is_one_piece_of_evidence() -> None:
    lucky = with_luhn("4", 16)
    assert decide("c", pa.array([lucky] * 500)) == []


def test_a_declared_column_is_taken_at_its_word_unless_it_is_empty() -> None:
    births = pa.array(["1980-02-01", "1975-12-31", "1999-01-05"] * 9)
    assert [v.kind for v in decide("date_of_birth", births)] == ["DATE_OF_BIRTH"]
    assert decide("event_date", births) == []
    assert decide("dob", pa.array(["yes", "no"])) == []


def test_numbers_dictionaries_and_nulls_are_read() -> None:
    table = pa.table(
        {
            "n": pa.array([int(c) for c in CARDS] + [None]),
            "f": pa.array([float(c) for c in CARDS[:1]] * 61),
            "d": pa.array([*CARDS, None]).dictionary_encode(),
            "empty": pa.array([None] * 61, pa.string()),
            "nothing": pa.nulls(61),
        }
    )
    report = inspect_table(table)
    assert {verdict.column for verdict in report.columns} == {"n", "d"}
    assert report.coverage.complete
    assert report.facts["card_number_rows"] == 60


def test_what_can_not_be_read_is_a_gap() -> None:
    table = pa.table({"l": [[1]], "b": [b"x"], "s": ["ok"]})
    report = inspect_table(table)
    assert {gap.what for gap in report.coverage.skipped} == {"column l", "column b"}
    assert not report.coverage.complete
    long = inspect_table(pa.table({"s": ["x" * 200_000]}))
    assert not long.coverage.complete


def test_evidence_never_holds_the_values() -> None:
    report = inspect_table(pa.table({"c": CARDS, "m": [f"u{k}@mail.example" for k in range(60)]}))
    written = json.dumps([finding.to_json() for finding in report.findings])
    assert len(report.findings) == 2
    assert not any(value in written for value in CARDS)
    assert "u1@" not in written
    assert mask("4111111111111111").endswith("11")
    assert mask("abc") == "***"


def test_a_text_is_reported_by_type_and_line() -> None:
    report = inspect_text(
        "first line\nmail a.b@mail.example\ncard 4111111111111111\n", path="a.txt"
    )
    assert {str(finding.location) for finding in report.findings} == {
        "a.txt, line 2",
        "a.txt, line 3",
    }
    assert report.facts["card_number_values"] == 1
    assert inspect_text("nothing").findings == ()


def test_of_overlapping_types_the_surest_is_kept() -> None:
    [hit] = find("iban: GB82WEST12345698765432 thanks")
    assert hit.kind.name == "IBAN"


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (card, "4012888888881881", ["4012888888881882", "0000000000000000", "9999999999999995"]),
        (iban, "GB82WEST12345698765432", ["GB82WEST12345698765423", "GB82WEST1234569876543"]),
        (us_ssn, "078-05-1120", ["000-12-3456", "666-12-3456", "912-12-3456", "123-00-4567"]),
        (us_npi, "1234567893", ["1234567890", "9234567893"]),
    ],
    ids=["card", "iban", "ssn", "npi"],
)  # fmt: skip
def test_checks_refuse_near_misses(check: Form, good: str, bad: Iterable[str]) -> None:
    assert check(good)  # type: ignore[operator]  # a plain function
    assert not any(check(text) for text in bad)  # type: ignore[operator]  # same


def test_header_words_are_whole_words() -> None:
    assert {"cust", "ssn"} <= words_of("custSSN")
    assert "lic" not in words_of("public_id")


def sample(tree: object, source: random.Random) -> str:
    """Draw a string from a pattern, every alternative alike."""
    out = []
    for kind, value in tree:  # type: ignore[attr-defined]  # a parsed pattern
        if kind is op.LITERAL:
            out.append(chr(value))
        elif kind is op.IN:
            chars = []
            for what, item in value:
                if what is op.LITERAL:
                    chars.append(chr(item))
                elif what is op.RANGE:
                    chars += [chr(code) for code in range(item[0], item[1] + 1)]
                else:
                    chars += list("0123456789")
            out.append(source.choice(chars))
        elif kind is op.MAX_REPEAT:
            low, high, inner = value
            times = 0 if (low, high) == (0, 1) else source.randint(low, min(high, low + 20))
            out += [sample(inner, source) for _ in range(times)]
        elif kind is op.SUBPATTERN:
            out.append(sample(value[3], source))
        elif kind is op.BRANCH:
            out.append(sample(source.choice(value[1]), source))
    return "".join(out)


@pytest.mark.parametrize(
    "form", [f for kind in TYPES for f in kind.forms if f.checksum], ids=lambda form: form.name
)
def test_the_stated_chance_is_not_too_small(form: Form) -> None:
    """Random strings of a checksum form's shape pass at most as often as stated."""
    source, tree = random.Random(1), _parser.parse(form.shape.pattern)
    n = 2_000
    passed = sum(form.check(sample(tree, source)) for _ in range(n))
    assert passed / n <= form.chance * 1.15 + 3 * (form.chance / n) ** 0.5


@pytest.mark.parametrize(
    "form", [f for kind in TYPES for f in kind.forms], ids=lambda form: form.name
)
def test_matching_is_linear_in_the_length(form: Form) -> None:
    """No text of twenty thousand repeats keeps a pattern busy."""
    for seed in ("1", "a", "1 ", "a.", "A1", "-", "0-", "eyJa.", "@a", ":", "x@a-", "(1) "):
        started = time.perf_counter()
        for _ in form.shape.finditer(seed * (20_000 // len(seed))):
            pass
        assert time.perf_counter() - started < 1.0


def test_families_are_a_sound_filter() -> None:
    """Whatever a form accepts, its family's pattern finds in it."""
    for kind, values in SAMPLES.items():
        for value in values:
            hits = find(value, kinds=[BY_NAME[kind]], doubt=1.0)
            assert all(re.search(FAMILIES[hit.form.family], value) for hit in hits)
            assert hits


@pytest.mark.parametrize(
    "form", [f for kind in TYPES for f in kind.forms if f.filter], ids=lambda form: form.name
)
def test_the_fast_filter_passes_whatever_has_the_shape(form: Form) -> None:
    source, tree = random.Random(3), _parser.parse(form.shape.pattern)
    texts = [f"é {sample(tree, source)}, x" for _ in range(50)]
    found = pc.call_function(
        "match_substring_regex", [pa.array(texts)], pc.MatchSubstringOptions(form.filter)
    )
    for text, passed in zip(texts, found.to_pylist(), strict=True):
        assert passed or not form.shape.search(text)


def test_digits_of_other_scripts_are_no_numbers() -> None:
    assert find("4111111111111111".translate({48 + k: 0x0660 + k for k in range(10)})) == []


def test_rules_are_complete() -> None:
    slugs = {rule.id.partition("/")[2] for rule in RULES}
    assert {kind.rule for kind in TYPES} <= slugs
    assert all(rule.risk and rule.fix and rule.atlas for rule in RULES)


@pytest.mark.slow
def test_the_labelled_columns_hold(shared: Path) -> None:
    """Half of the labelled columns that the rules were not made on: no harmless one is flagged."""
    path = shared / "data/data/pii_columns_dev.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    flagged = [
        row["header"] for row in rows[1::2]
        if row["label"] is None and decide(row["header"], pa.array(row["values"]))
    ]  # fmt: skip
    assert flagged == []
