"""Notes and checkpoints: published examples verify, and everything malformed is refused."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.core.errors import SignatureError, TrustError, UsageError, VerificationError
from tidegate.core.ledger.checkpoint import Checkpoint, open_checkpoint
from tidegate.core.ledger.note import (
    COSIGNATURE,
    ED25519,
    Note,
    NoteKey,
    NoteSigner,
    decode_base64,
    parse_decimal,
    parse_signatures,
)
from tidegate.core.merkle import EMPTY_ROOT

MakeSigner = Callable[..., NoteSigner]
TESSERA = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
TESSERA_CHECKPOINT = (
    "example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n"
    "\N{EM DASH} example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+"
    "CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n"
).encode()


def signed(make_signer: MakeSigner, text: str = "acme.example/log\n0\n{root}\n") -> bytes:
    text = text.format(root=b64encode(EMPTY_ROOT).decode())
    return Note(text, (make_signer("acme.example/log").sign_note(text),)).to_bytes()


def test_a_foreign_checkpoint_verifies() -> None:
    """A checkpoint that another implementation signed."""
    opened = open_checkpoint(TESSERA_CHECKPOINT, [NoteKey.from_vkey(TESSERA)])
    assert (opened.checkpoint.origin, opened.checkpoint.size) == ("example.com/log/testdata", 15)


def test_the_example_key_of_the_cosignature_format_has_its_id() -> None:
    key = NoteKey.from_vkey(TESSERA)
    assert key.vkey == TESSERA
    assert NoteKey(key.name, COSIGNATURE, key.public_key).key_id != key.key_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com+33d7b496",
        TESSERA.replace("33d7", "33d8"),
        TESSERA.replace("log", "logs"),
        TESSERA[:-1],
        TESSERA + "AAAA",
        TESSERA.replace("+A", "+B", 1),
        "+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx",
    ],
)
def test_a_damaged_verifier_key_is_refused(text: str) -> None:
    with pytest.raises((VerificationError, UsageError)):
        NoteKey.from_vkey(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb"])
def test_a_key_name_has_no_spaces_and_no_plus(name: str) -> None:
    with pytest.raises(UsageError):
        NoteKey(name, ED25519, bytes(32))


def test_a_note_round_trips(make_signer: MakeSigner) -> None:
    data = signed(make_signer, "two\n\nparagraphs\n")
    assert Note.parse(data).to_bytes() == data
    assert Note.parse(data).text == "two\n\nparagraphs\n"


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "no signature": b"text\n\n",
    "no blank line": b"text\n\xe2\x80\x94 a AAAAAAA=\n",
    "no newline at the end": b"text\n\n\xe2\x80\x94 a AAAAAAA=",
    "hyphen for dash": b"text\n\n- a AAAAAAA=\n",
    "no name": b"text\n\n\xe2\x80\x94  AAAAAAA=\n",
    "plus in the name": b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n",
    "no base64": b"text\n\n\xe2\x80\x94 a !!!!\n",
    "base64 with slack bits": b"text\n\n\xe2\x80\x94 a AAAAAAB=\n",
    "key id without signature": b"text\n\n\xe2\x80\x94 a AAAAAA==\n",
    "control character": b"te\x07xt\n\n\xe2\x80\x94 a AAAAAAA=\n",
    "not utf-8": b"te\xffxt\n\n\xe2\x80\x94 a AAAAAAA=\n",
    "too many signatures": b"text\n\n" + b"\xe2\x80\x94 a AAAAAAA=\n" * 65,
    "too large": b"x" * 300_000 + b"\n\n\xe2\x80\x94 a AAAAAAA=\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_note_is_refused(name: str) -> None:
    with pytest.raises(VerificationError):
        Note.parse(MALFORMED[name])


def test_sixteen_signatures_are_accepted() -> None:
    lines = b"\xe2\x80\x94 a AAAAAAA=\n" * 16
    assert len(parse_signatures(lines.decode())) == 16


def test_unknown_keys_are_ignored_but_one_known_key_must_sign(make_signer: MakeSigner) -> None:
    key, stranger = make_signer("acme.example/log"), make_signer("other.example")
    note = Note.parse(signed(make_signer))
    note = note.with_signatures([stranger.sign_note(note.text)])
    assert [one.key for one in note.verify([key.key])] == [key.key]
    with pytest.raises(TrustError):
        note.verify([make_signer("third.example").key])


def test_one_bad_signature_of_a_known_key_spoils_the_note(make_signer: MakeSigner) -> None:
    first, second = make_signer("acme.example/log"), make_signer("other.example")
    note = Note.parse(signed(make_signer)).with_signatures([second.sign_note("else\n")])
    with pytest.raises(SignatureError):
        note.verify([first.key, second.key])


def test_a_cosignature_states_its_time(make_signer: MakeSigner, witness_signer: NoteSigner) -> None:
    note = Note.parse(signed(make_signer))
    line = witness_signer.sign_note(note.text, seconds=1_679_315_147)
    data = note.with_signatures([line]).to_bytes()
    log_key = make_signer("acme.example/log").key
    opened = open_checkpoint(data, [log_key], witnesses=[witness_signer.key], threshold=1)
    assert [(one.witness, one.seconds) for one in opened.cosignatures] == [
        ("witness.example/w1", 1_679_315_147)
    ]
    moved = (1_679_315_148).to_bytes(8, "big") + line.signature[8:]
    with pytest.raises(SignatureError):
        witness_signer.key.verify(note.text, moved)


def test_a_cosignature_is_no_log_signature(
    make_signer: MakeSigner, witness_signer: NoteSigner
) -> None:
    """A witness's key listed as a log's key does not stand for the log."""
    text = Note.parse(signed(make_signer)).text
    data = Note(text, (witness_signer.sign_note(text, seconds=1),)).to_bytes()
    with pytest.raises(TrustError):
        open_checkpoint(data, [witness_signer.key], witnesses=[witness_signer.key])


def test_one_witness_under_two_names_counts_once(make_signer: MakeSigner) -> None:
    log_key = make_signer("acme.example/log").key
    twins = [make_signer(name, COSIGNATURE, b"same") for name in ("w.example/1", "w.example/2")]
    note = Note.parse(signed(make_signer))
    note = note.with_signatures([twin.sign_note(note.text, seconds=1) for twin in twins])
    keys = [twin.key for twin in twins]
    with pytest.raises(TrustError, match="1 of the 2"):
        open_checkpoint(note.to_bytes(), [log_key], witnesses=keys, threshold=2)


def test_a_time_belongs_to_cosignatures_alone(
    make_signer: MakeSigner, witness_signer: NoteSigner
) -> None:
    with pytest.raises(UsageError):
        witness_signer.sign_note("text\n")
    with pytest.raises(UsageError):
        make_signer("acme.example/log").sign_note("text\n", seconds=1)


def test_a_checkpoint_of_another_log_is_refused(make_signer: MakeSigner) -> None:
    """The log's key signs notes for its own origin only."""
    data = signed(make_signer, "else.example/log\n0\n{root}\n")
    with pytest.raises(TrustError):
        open_checkpoint(data, [make_signer("acme.example/log").key])


def test_extension_lines_are_kept(make_signer: MakeSigner) -> None:
    data = signed(make_signer, "acme.example/log\n0\n{root}\nmore\nlines\n")
    checkpoint = Checkpoint.parse(Note.parse(data).text)
    assert checkpoint.extensions == ("more", "lines")
    assert checkpoint.text == Note.parse(data).text


ROOT = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n\u0661\n{ROOT}\n",
        f"o\n{2**63}\n{ROOT}\n",
        f"o\n0\n{ROOT}\n",
        f"o\n1\n{ROOT}\n\nx\n",
        "o\n1\nAAAA\n",
        f"o\n1\n {ROOT}\n",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(VerificationError):
        Checkpoint.parse(text)


def test_numbers_and_base64_have_one_spelling() -> None:
    assert parse_decimal(str(2**63 - 1), what="n") == 2**63 - 1
    assert decode_base64("AAA=", what="b", limit=2) == b"\0\0"
    for text in ("AAA", "AAB=", "AA\nA=", "AAA=\n", "AAAA"):
        with pytest.raises(VerificationError):
            decode_base64(text, what="b", limit=2)


def test_every_stored_checkpoint_of_the_foreign_log_verifies(shared: Path) -> None:
    key = NoteKey.from_vkey(TESSERA)
    files = sorted((shared / "data/supply/tlog/tessera-testdata").glob("checkpoint*"))
    assert len(files) == 17
    for file in files:
        assert open_checkpoint(file.read_bytes(), [key]).checkpoint.size <= 15
