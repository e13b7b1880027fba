"""A proof file proves one entry offline, and is small."""

from collections.abc import Callable
from typing import Any

import pytest

from tidegate.core.errors import ProofError, SignatureError, TrustError, VerificationError
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.note import COSIGNATURE, Note, NoteSigner
from tidegate.core.ledger.proof import TlogProof, export_proof
from tidegate.core.merkle import leaf_hash, node_hash

Bench = Any
MakeSigner = Callable[..., NoteSigner]


def test_an_exported_proof_verifies_and_round_trips(bench: Bench) -> None:
    log = bench.log()
    bench.fill(log, 300)
    proof = export_proof(log, 299)
    data = proof.to_bytes()
    assert data.startswith(b"c2sp.org/tlog-proof@v1\nindex 299\n")
    assert TlogProof.parse(data) == proof
    assert proof.verify(log.entry(299), log.keys).checkpoint == log.head
    with pytest.raises(ProofError):
        proof.verify(log.entry(298), log.keys)


def test_a_log_of_one_entry_has_an_empty_path(bench: Bench) -> None:
    log = bench.log()
    bench.fill(log, 1)
    proof = TlogProof.parse(export_proof(log, 0).to_bytes())
    assert proof.path == ()
    assert proof.verify(log.entry(0), log.keys).checkpoint.size == 1


def test_extra_data_is_carried_and_not_believed(bench: Bench) -> None:
    log = bench.log()
    bench.fill(log, 2)
    plain = export_proof(log, 0)
    proof = TlogProof(0, plain.path, plain.checkpoint, b"model.tar")
    assert TlogProof.parse(proof.to_bytes()).extra == b"model.tar"
    proof.verify(log.entry(0), log.keys)


def test_witnesses_can_be_required(bench: Bench, witness_signer: NoteSigner) -> None:
    log = bench.log()
    bench.fill(log, 5)
    bare = export_proof(log, 3)
    text = Note.parse(bare.checkpoint).text
    log.cosign([witness_signer.sign_note(text, seconds=1)], [witness_signer.key])
    keys = [witness_signer.key]
    proof = export_proof(log, 3)
    assert proof.verify(log.entry(3), log.keys, witnesses=keys, threshold=1).cosignatures
    with pytest.raises(TrustError):
        bare.verify(log.entry(3), log.keys, witnesses=keys, threshold=1)


def test_a_proof_of_a_stranger_is_refused(bench: Bench, make_signer: MakeSigner) -> None:
    log = bench.log()
    bench.fill(log, 5)
    proof = export_proof(log, 3)
    with pytest.raises(TrustError):
        proof.verify(log.entry(3), [make_signer("other.example/log").key])
    same_name = make_signer(log.origin, seed=b"other")
    forged = Note.parse(proof.checkpoint)
    line = same_name.sign_note(forged.text)
    own = forged.signatures[0]
    mixed = Note(forged.text, (type(own)(own.name, own.key_id, line.signature),))
    with pytest.raises(SignatureError):
        TlogProof(3, proof.path, mixed.to_bytes()).verify(log.entry(3), log.keys)


def test_at_a_million_entries_a_proof_stays_within_its_budget(make_signer: MakeSigner) -> None:
    """At most 1.2 kB, and 150 bytes a cosignature; shown on a path of full length."""
    size, entry = 10**6, b"entry"
    path = [leaf_hash(b"%d" % n) for n in range(20)]
    root, position, last = leaf_hash(entry), 0, size - 1
    for node in path:
        root = node_hash(node, root) if position & 1 else node_hash(root, node)
        position, last = position >> 1, last >> 1
    signer = make_signer("log.acme.example/pipeline-one")
    text = Checkpoint(signer.key.name, size, root).text
    note = Note(text, (signer.sign_note(text),))
    proof = TlogProof(0, tuple(path), note.to_bytes())
    assert proof.verify(entry, [signer.key]).checkpoint.size == size
    assert len(proof.to_bytes()) <= 1200
    witnesses = [make_signer(f"witness{n}.acme.example", COSIGNATURE) for n in range(3)]
    note = note.with_signatures([one.sign_note(text, seconds=1_800_000_000) for one in witnesses])
    cosigned = TlogProof(0, tuple(path), note.to_bytes())
    keys = [one.key for one in witnesses]
    assert len(cosigned.verify(entry, [signer.key], witnesses=keys).cosignatures) == 3
    assert len(cosigned.to_bytes()) <= 1200 + 3 * 150


HASH = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
MALFORMED = {
    "empty": b"",
    "header only": b"c2sp.org/tlog-proof@v1\n\n",
    "other version": b"c2sp.org/tlog-proof@v2\nindex 0\n\nx",
    "no index": b"c2sp.org/tlog-proof@v1\n" + HASH + b"\nx",
    "index with zeros": b"c2sp.org/tlog-proof@v1\nindex 00\n\nx",
    "negative index": b"c2sp.org/tlog-proof@v1\nindex -1\n\nx",
    "short hash": b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx",
    "too many hashes": b"c2sp.org/tlog-proof@v1\nindex 0\n" + HASH * 64 + b"\nx",
    "extra is no base64": b"c2sp.org/tlog-proof@v1\nextra ?\nindex 0\n\nx",
    "no ascii": "c2sp.org/tlog-proof@v1\nindex \u0660\n\nx".encode(),
    "too large": b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + b"x" * 500_000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_proof_is_refused(name: str) -> None:
    with pytest.raises(VerificationError):
        TlogProof.parse(MALFORMED[name])
