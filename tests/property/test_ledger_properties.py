"""What holds for every tree, note, proof and entry: round trips, and no changed byte passes."""

import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.canonical import dumps
from tidegate.core.clock import FixedClock
from tidegate.core.errors import ProofError, VerificationError
from tidegate.core.ledger.checkpoint import Checkpoint, open_checkpoint
from tidegate.core.ledger.entry import KINDS, Entry
from tidegate.core.ledger.log import Log, PendingEntry
from tidegate.core.ledger.merkle import CompactRange, verify_consistency, verify_inclusion
from tidegate.core.ledger.note import ED25519, Note, NoteKey, NoteSigner
from tidegate.core.ledger.proof import TlogProof, export_proof
from tidegate.core.ledger.reader import FetchedTiles, TileReader
from tidegate.core.ledger.tiles import (
    TileBuilder,
    bundle_path,
    decode_bundle,
    encode_bundle,
    parse_path,
    tile_path,
)
from tidegate.core.merkle import leaf_hash
from tidegate.logbook.memory import MemoryLogStorage
from tidegate.logbook.witness import parse_request

PRIVATE = Ed25519PrivateKey.from_private_bytes(sha256(b"property").digest())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
SIGNER = NoteSigner(NoteKey("acme.example/log", ED25519, PUBLIC), PRIVATE.sign)


def _log(size: int) -> Log:
    storage = MemoryLogStorage("acme")
    log = Log(storage, origin=SIGNER.key.name, clock=FixedClock(1), signer=SIGNER)
    entries = [Entry("attestation", "acme", tool=str(number)) for number in range(size)]
    log.append([PendingEntry(entry) for entry in entries])
    return log


LOG = _log(37)
PROOF = export_proof(LOG, 21).to_bytes()
NOTE = LOG.checkpoint()
ENTRY = LOG.entry(21)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_no_changed_byte_of_a_proof_passes(flip: int) -> None:
    """Every byte of the file, the checkpoint in it included."""
    TlogProof.parse(PROOF).verify(ENTRY, [SIGNER.key])
    for position in range(len(PROOF)):
        changed = bytearray(PROOF)
        changed[position] ^= flip
        with pytest.raises(VerificationError):
            TlogProof.parse(bytes(changed)).verify(ENTRY, [SIGNER.key])


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_no_changed_byte_of_a_checkpoint_passes(flip: int) -> None:
    for position in range(len(NOTE)):
        changed = bytearray(NOTE)
        changed[position] ^= flip
        with pytest.raises(VerificationError):
            open_checkpoint(bytes(changed), [SIGNER.key])


def test_no_changed_byte_of_an_entry_passes() -> None:
    proof = TlogProof.parse(PROOF)
    for position in range(len(ENTRY)):
        changed = bytearray(ENTRY)
        changed[position] ^= 1
        with pytest.raises(ProofError):
            proof.verify(bytes(changed), [SIGNER.key])


def test_no_inserted_or_removed_byte_of_a_proof_passes() -> None:
    for position in range(len(PROOF) + 1):
        for changed in (
            PROOF[:position] + b"A" + PROOF[position:],
            PROOF[:position] + b"\n" + PROOF[position:],
            PROOF[:position],
            PROOF[:position] + PROOF[position + 1 :],
        ):
            if changed == PROOF:
                continue
            with pytest.raises(VerificationError):
                TlogProof.parse(changed).verify(ENTRY, [SIGNER.key])


@given(st.integers(1, 700), st.integers(1, 300), st.data())
@settings(max_examples=40, deadline=None)
def test_tiles_round_trip_whatever_the_batches(size: int, batch: int, data: st.DataObject) -> None:
    """What a writer puts out in any batches, a reader proves, at any size on the way."""
    builder, plain, files, roots = TileBuilder(), CompactRange(), dict[str, bytes](), [b""]
    entries = [b"%d" % number for number in range(size)]
    for start in range(0, size, batch):
        for entry in entries[start : start + batch]:
            builder.append(leaf_hash(entry))
            plain.append(leaf_hash(entry))
            roots.append(plain.root)
        for tile in builder.take():
            files[tile_path(tile.level, tile.index, len(tile.hashes) // 32)] = tile.hashes
    for number in range(-(-size // 256)):
        rows = entries[number * 256 : number * 256 + 256]
        files[bundle_path(number, len(rows))] = encode_bundle(rows)
    reader = TileReader(FetchedTiles(files.get), size, plain.root)
    assert list(reader.entries()) == entries
    old = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, old - 1))
    verify_consistency(old, size, roots[old], roots[size], reader.consistency(old))
    verify_inclusion(
        leaf_hash(entries[index]), index, old, reader.inclusion(index, old), roots[old]
    )


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


@given(st.integers(0, 63), st.integers(0, 10**15), st.integers(1, 256))
def test_paths_round_trip(level: int, index: int, width: int) -> None:
    name = parse_path(tile_path(level, index, width))
    assert name is not None
    assert (name.level, name.index, name.width) == (level, index, width)
    bundle = parse_path(bundle_path(index, width))
    assert bundle is not None
    assert (bundle.level, bundle.index, bundle.width) == (None, index, width)


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_notes_round_trip(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    data = Note(text, (SIGNER.sign_note(text),)).to_bytes()
    note = Note.parse(data)
    assert (note.text, note.to_bytes()) == (text, data)
    assert note.verify([SIGNER.key])[0].key == SIGNER.key


@given(LINES.filter(bool), st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoints_round_trip(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert Checkpoint.parse(checkpoint.text) == checkpoint


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}")


@given(
    st.sampled_from(sorted(KINDS)),
    TEXT,
    st.integers(0, 2**53 - 1),
    TEXT,
    st.lists(DIGESTS, max_size=4),
    st.none() | DIGESTS,
    st.none() | TEXT,
)
def test_entries_round_trip_in_canonical_form(
    kind: str,
    workspace: str,
    time: int,
    text: str,
    subjects: list[str],
    envelope: str | None,
    predicate: str | None,
) -> None:
    entry = Entry(kind, workspace, time, text, text, text, tuple(subjects), envelope, predicate)
    data = entry.to_bytes()
    assert data == dumps(json.loads(data))
    back = Entry.parse(data)
    assert back.known
    assert back == Entry(**{**{f: getattr(entry, f) for f in entry.__slots__}, "raw": data})


@given(st.binary(max_size=200))
def test_no_parser_fails_in_another_way_than_it_says(data: bytes) -> None:
    """On arbitrary bytes: a value or a VerificationError, nothing else."""
    for parse in (Note.parse, TlogProof.parse, Entry.parse, parse_request):
        try:
            parse(data)
        except VerificationError:
            continue


@given(st.text(max_size=120))
def test_no_text_parser_fails_in_another_way_than_it_says(text: str) -> None:
    parse_path(text)
    for parse in (Checkpoint.parse, NoteKey.from_vkey):
        try:
            parse(text)
        except VerificationError:
            continue
