"""Properties of what is signed: every one-byte change is refused; what is written is read."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.attest.directive import Directive
from tidegate.core.attest.envelope import Envelope, Signature, sign, verify
from tidegate.core.attest.gate import (
    Actor,
    EvidenceRef,
    GatePredicate,
    GateRef,
    Material,
    PolicyRef,
    Tool,
)
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.core.errors import SignatureError, TidegateError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose, TrustedKey, TrustRoot
from tidegate.core.stage import Outcome, Stage
from tidegate.interop.bundle import Bundle, KeyHint

KEYS = {scheme: PrivateKey.generate(scheme) for scheme in Scheme}
PUBLIC = [key.verifier for key in KEYS.values()]

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
micros = st.integers(0, 2**53 - 2).map(Micros)
digests = st.binary(min_size=32, max_size=32).map(lambda data: Digest("sha256", data.hex()))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(words, json_values, max_size=4)
later = st.dictionaries(words.map(lambda word: f"later-{word}"), json_values, max_size=2)
subjects = st.builds(Subject.of, words, digests)
materials = st.builds(Material, words, words, digests)
counts = st.integers(0, 10**6)
coverage = st.fixed_dictionaries(
    {"planned": counts, "examined": counts, "skipped": st.just([]), "failed": st.just([])}
)
rules = st.fixed_dictionaries(
    {
        "rule": words,
        "outcome": st.sampled_from(["allow", "deny", "undecided"]),
        "mode": st.sampled_from(["shadow", "warn"]),
    }
)
checks = st.fixed_dictionaries(
    {
        "id": words,
        "outcome": st.sampled_from(["allow", "deny", "undecided"]),
        "coverage": coverage,
        "findings": st.just([]),
        "facts": objects,
    }
)
statements = st.builds(
    Statement, st.lists(subjects, min_size=1, max_size=3).map(tuple), words, objects, later
)
gates = st.builds(
    GatePredicate,
    gate=st.builds(GateRef, st.sampled_from(Stage), words),
    outcome=st.sampled_from(Outcome),
    actor=st.builds(Actor, words, st.frozensets(st.sampled_from(Role)), words),
    tool=st.builds(Tool, words, words),
    time=micros,
    environment=words,
    policy=st.builds(PolicyRef, words, words, digests, words),
    coverage=coverage,
    rules=st.lists(rules, max_size=2).map(tuple),
    checks=st.lists(checks, max_size=2).map(tuple),
    materials=st.lists(materials, max_size=2).map(tuple),
    evidence=st.lists(
        st.builds(EvidenceRef, st.sampled_from(Stage), counts, digests), max_size=2
    ).map(tuple),
    assurance=objects,
    parameters=objects,
    annotations=st.dictionaries(words, objects, max_size=2),
    byproducts=st.lists(materials, max_size=2).map(tuple),
    drill=st.booleans(),
    extra=later,
)
directives = st.builds(
    Directive,
    st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
    words,
    words,
    words,
    micros,
    objects,
    later,
)
envelopes = st.builds(
    Envelope,
    st.binary(max_size=60),
    words,
    st.lists(st.builds(Signature, words, st.binary(min_size=1, max_size=9)), min_size=1).map(
        lambda made: tuple(made[:5])
    ),
)


@given(statements)
def test_a_statement_reads_what_it_wrote(statement: Statement) -> None:
    assert Statement.parse(statement.to_bytes()) == statement


@given(gates, subjects)
@settings(max_examples=50)
def test_a_gate_predicate_reads_what_it_wrote(gate: GatePredicate, subject: Subject) -> None:
    statement = Statement.parse(gate.statement((subject,)).to_bytes())
    assert GatePredicate.of(statement) == gate


@given(directives, subjects)
def test_a_directive_reads_what_it_wrote(directive: Directive, subject: Subject) -> None:
    assert Directive.of(Statement.parse(directive.statement((subject,)).to_bytes())) == directive


@given(envelopes)
def test_an_envelope_reads_what_it_wrote(envelope: Envelope) -> None:
    assert Envelope.parse(envelope.to_bytes()) == envelope


@given(envelopes, words)
def test_a_bundle_reads_what_it_wrote(envelope: Envelope, hint: str) -> None:
    bundle = Bundle(replace(envelope, signatures=envelope.signatures[:1]), KeyHint(hint))
    assert Bundle.parse(bundle.to_bytes()) == bundle


@given(st.lists(micros, min_size=4, max_size=4), st.sets(st.sampled_from(Role)), words)
def test_a_trust_root_reads_what_it_wrote(times: list[Micros], roles: set[Role], name: str) -> None:
    keys = tuple(
        TrustedKey(key, name, frozenset(roles), purpose, name, start, Micros(start + 1))
        for key, purpose, start in zip(PUBLIC, [*Purpose, Purpose.ATTEST], times, strict=True)
    )
    root = TrustRoot(name, 1, keys, tuple(PUBLIC), 2)
    assert TrustRoot.parse(root.to_bytes()) == root


@given(st.binary(max_size=200), words, st.sampled_from(Scheme))
def test_what_is_signed_verifies(payload: bytes, kind: str, scheme: Scheme) -> None:
    signed = sign(payload, kind, [KEYS[scheme]])
    assert verify(Envelope.parse(signed.to_bytes()), PUBLIC) == (KEYS[scheme].verifier,)


def flipped(data: bytes, position: int, mask: int) -> bytes:
    position %= len(data)
    return data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]


flips = st.tuples(st.integers(0, 10**6), st.integers(1, 255))


@given(st.binary(min_size=1, max_size=80), st.sampled_from(Scheme), flips)
def test_every_changed_byte_of_a_payload_is_refused(
    payload: bytes, scheme: Scheme, flip: tuple[int, int]
) -> None:
    signed = sign(payload, "application/x", [KEYS[scheme]])
    with pytest.raises(SignatureError):
        verify(replace(signed, payload=flipped(payload, *flip)), PUBLIC)


@given(st.sampled_from(Scheme), flips)
def test_every_changed_byte_of_a_signature_is_refused(
    scheme: Scheme, flip: tuple[int, int]
) -> None:
    signed = sign(b"payload", "application/x", [KEYS[scheme]])
    [signature] = signed.signatures
    changed = replace(signature, sig=flipped(signature.sig, *flip))
    with pytest.raises(SignatureError):
        verify(replace(signed, signatures=(changed,)), PUBLIC)


@given(words, words, st.sampled_from(Scheme))
def test_every_other_type_is_refused(kind: str, other: str, scheme: Scheme) -> None:
    signed = sign(b"payload", kind, [KEYS[scheme]])
    if other == kind:
        return
    with pytest.raises(SignatureError):
        verify(replace(signed, payload_type=other), PUBLIC)


SIGNED = sign(b'{"a":1}', "application/x", [KEYS[Scheme.ED25519]]).to_bytes()
IDENTITY = KEYS[Scheme.ED25519].verifier.key_id.encode()


def test_every_changed_byte_of_an_envelope_is_refused_or_only_renames_the_hint() -> None:
    hint = range(SIGNED.index(IDENTITY), SIGNED.index(IDENTITY) + len(IDENTITY))
    label = range(SIGNED.index(b'"keyid"'), SIGNED.index(b'"keyid"') + 8)
    for position in range(len(SIGNED)):
        for mask in (1, 2, 32, 128):
            try:
                envelope = Envelope.parse(flipped(SIGNED, position, mask))
                verify(envelope, PUBLIC)
            except TidegateError:
                continue
            assert position in hint or position in label
            assert envelope.payload == b'{"a":1}'


PARSERS: list[Callable[[bytes], object]] = [
    Statement.parse,
    Envelope.parse,
    Bundle.parse,
    TrustRoot.parse,
]


@given(
    st.sampled_from(PARSERS), st.binary(max_size=300) | json_values.map(lambda v: repr(v).encode())
)
def test_rubbish_is_refused_with_a_typed_error(
    parse: Callable[[bytes], object], data: bytes
) -> None:
    with pytest.raises(TidegateError):
        parse(data)


@given(st.sampled_from([GatePredicate, Directive, TrustRoot, TrustedKey]), json_values)
def test_any_json_is_no_record(record: Any, value: Any) -> None:
    with pytest.raises(TidegateError):
        record.from_json(value)
