"""Witnesses sign only heads that continue what they saw, whatever they are asked."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.clock import FixedClock
from tidegate.core.errors import (
    ForkError,
    RemoteError,
    SignatureError,
    StoreError,
    TrustError,
    VerificationError,
)
from tidegate.core.ledger.checkpoint import open_checkpoint
from tidegate.core.ledger.log import Log
from tidegate.core.ledger.note import Note, NoteSigner, parse_signatures
from tidegate.logbook.memory import MemoryLogStorage
from tidegate.logbook.witness import (
    NOTHING,
    FileWitnessState,
    Request,
    Response,
    Seen,
    Witness,
    parse_request,
    request_cosignature,
)

Bench = Any
SECONDS = 1_800_000_000


@pytest.fixture
def state(tmp_path: Path) -> FileWitnessState:
    return FileWitnessState(tmp_path / "witness")


@pytest.fixture
def witness(state: FileWitnessState, witness_signer: NoteSigner, bench: Bench) -> Witness:
    logs = {bench.log().origin: [bench.signer.key]}
    return Witness(state, witness_signer, FixedClock(SECONDS * 1_000_000), logs)


def post_to(witness: Witness) -> Callable[[bytes], tuple[int, bytes]]:
    def post(body: bytes) -> tuple[int, bytes]:
        answer = witness.add_checkpoint(body)
        return answer.status, answer.body

    return post


def ask(witness: Witness, log: Log, old: int) -> Response:
    path = log.prove_consistency(old) if old <= log.head.size else ()
    return witness.add_checkpoint(Request(old, path, log.checkpoint()).to_bytes())


def test_a_growing_log_is_cosigned(
    bench: Bench, witness: Witness, witness_signer: NoteSigner
) -> None:
    log = bench.log()
    for count in (3, 4, 300):
        bench.fill(log, count)
        note = log.checkpoint()
        lines = request_cosignature(
            post_to(witness), note, log.prove_consistency, [witness_signer.key]
        )
        cosigned = log.cosign(lines, [witness_signer.key])
        opened = open_checkpoint(cosigned, log.keys, witnesses=[witness_signer.key], threshold=1)
        assert opened.checkpoint.size == log.head.size
        assert opened.cosignatures[0].seconds == SECONDS


def test_the_same_head_may_be_cosigned_again(bench: Bench, witness: Witness) -> None:
    log = bench.log()
    bench.fill(log, 3)
    assert [ask(witness, log, old).status for old in (0, 3, 3)] == [200, 200, 200]


def test_a_wrong_old_size_is_told_the_right_one(bench: Bench, witness: Witness) -> None:
    log = bench.log()
    bench.fill(log, 3)
    ask(witness, log, 0)
    bench.fill(log, 3)
    answer = ask(witness, log, 1)
    assert (answer.status, answer.body, answer.content_type) == (409, b"3\n", "text/x.tlog.size")


def test_a_shorter_log_is_never_cosigned(
    bench: Bench, make_bench: type[Bench], witness: Witness, witness_signer: NoteSigner
) -> None:
    """A log restored from a backup."""
    log = bench.log()
    bench.fill(log, 10)
    ask(witness, log, 0)
    restored = make_bench(storage=MemoryLogStorage("acme"))
    short = restored.log()
    restored.fill(short, 5)
    assert [ask(witness, short, old).status for old in (0, 5, 10)] == [409, 409, 400]
    with pytest.raises(ForkError):
        request_cosignature(
            post_to(witness), short.checkpoint(), short.prove_consistency, [witness_signer.key]
        )


@pytest.mark.parametrize("size", [10, 25])
def test_a_forked_log_is_never_cosigned(
    bench: Bench,
    make_bench: type[Bench],
    witness: Witness,
    witness_signer: NoteSigner,
    state: FileWitnessState,
    size: int,
) -> None:
    log = bench.log()
    bench.fill(log, 10)
    ask(witness, log, 0)
    other = make_bench(storage=MemoryLogStorage("acme"), count=500)
    fork = other.log()
    other.fill(fork, size)
    assert ask(witness, fork, 10).status == (409 if size == 10 else 422)
    with pytest.raises(ForkError):
        request_cosignature(
            post_to(witness), fork.checkpoint(), fork.prove_consistency, [witness_signer.key]
        )
    assert state.latest(log.origin) == Seen(10, log.head.root)


def test_first_sight_wants_no_proof(bench: Bench, witness: Witness) -> None:
    log = bench.log()
    bench.fill(log, 4)
    body = Request(0, log.prove_consistency(2), log.checkpoint()).to_bytes()
    assert witness.add_checkpoint(body).status == 422


def test_unknown_logs_and_keys_are_refused(
    bench: Bench, witness: Witness, make_signer: Callable[..., NoteSigner]
) -> None:
    log = bench.log()
    bench.fill(log, 4)
    text = Note.parse(log.checkpoint()).text
    impostor = make_signer(log.origin, seed=b"other").sign_note(text)
    stranger = make_signer("other.example")
    moved = text.replace(log.origin, "other.example")
    cases = {
        403: Note(text, (impostor,)).to_bytes(),
        404: Note(moved, (stranger.sign_note(moved),)).to_bytes(),
        400: b"hello",
    }
    for status, note in cases.items():
        assert witness.add_checkpoint(Request(0, (), note).to_bytes()).status == status


MALFORMED = {
    "empty": b"",
    "no old": b"0\n\nx",
    "zeros": b"old 00\n\nx",
    "no blank line": b"old 0\nx",
    "short hash": b"old 1\nAAAA\n\nx",
    "too many hashes": b"old 1\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + b"\nx",
    "no ascii": "old \u0660\n\nx".encode(),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused(witness: Witness, name: str) -> None:
    with pytest.raises(VerificationError):
        parse_request(MALFORMED[name])
    assert witness.add_checkpoint(MALFORMED[name]).status == 400


def test_the_example_request_of_the_specification_reads() -> None:
    body = (
        b"old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\n"
        b"example.com/behind-the-sofa\n20852163\n"
    )
    request = parse_request(body)
    assert (request.old, len(request.path)) == (20_852_014, 1)
    assert request.to_bytes() == body


def test_the_memory_survives_and_is_compared_and_swapped(state: FileWitnessState) -> None:
    first, second = Seen(5, bytes(32)), Seen(7, b"x" * 32)
    assert state.latest("a") == NOTHING
    assert state.advance("a", NOTHING, first)
    assert not state.advance("a", NOTHING, second)
    assert FileWitnessState(state._folder).latest("a") == first
    assert state.latest("b") == NOTHING


def test_racing_requests_cannot_roll_the_memory_back(state: FileWitnessState) -> None:
    heads = [Seen(n, bytes([n]) * 32) for n in range(1, 40)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda head: state.advance("a", NOTHING, head), heads))
    assert won.count(True) == 1
    assert state.latest("a") == heads[won.index(True)]


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"size":1,"root":"zz"}', b"[1]"])
def test_a_damaged_memory_signs_nothing(
    bench: Bench, witness: Witness, state: FileWitnessState, damage: bytes
) -> None:
    log = bench.log()
    bench.fill(log, 4)
    ask(witness, log, 0)
    state._path(log.origin).write_bytes(damage)
    with pytest.raises(StoreError):
        ask(witness, log, 4)


def _answers(*answers: tuple[int, bytes]) -> Callable[[bytes], tuple[int, bytes]]:
    queue = list(answers)
    return lambda _: queue.pop(0)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([(500, b"")], RemoteError),
        ([(404, b"")], RemoteError),
        ([(200, b"nonsense")], RemoteError),
        ([(200, b"\xff")], RemoteError),
        ([(409, b"many")], RemoteError),
        ([(409, b"0\n")], ForkError),
        ([(409, b"99\n")], ForkError),
        ([(409, b"2\n"), (409, b"3\n")], RemoteError),
        ([(409, b"2\n"), (422, b"")], ForkError),
    ],
)
def test_the_client_believes_no_bad_answer(
    bench: Bench,
    witness_signer: NoteSigner,
    answers: Sequence[tuple[int, bytes]],
    error: type[Exception],
) -> None:
    log = bench.log()
    bench.fill(log, 4)
    with pytest.raises(error):
        request_cosignature(
            _answers(*answers), log.checkpoint(), log.prove_consistency, [witness_signer.key]
        )


def test_the_client_verifies_what_it_gets(
    bench: Bench, witness_signer: NoteSigner, make_signer: Callable[..., NoteSigner]
) -> None:
    log = bench.log()
    bench.fill(log, 4)
    note = log.checkpoint()
    over_other_text = witness_signer.sign_note("else\n", seconds=1).line.encode()
    stranger = make_signer("w.example", witness_signer.key.kind)
    by_stranger = stranger.sign_note(Note.parse(note).text, seconds=1).line.encode()
    keys = [witness_signer.key]
    for body, error in ((over_other_text, SignatureError), (by_stranger, TrustError)):
        with pytest.raises(error):
            request_cosignature(_answers((200, body)), note, log.prove_consistency, keys)
    both = by_stranger + witness_signer.sign_note(Note.parse(note).text, seconds=1).line.encode()
    kept = request_cosignature(_answers((200, both)), note, log.prove_consistency, keys)
    assert len(parse_signatures(both.decode())) == 2
    assert [line.name for line in kept] == [witness_signer.key.name]
