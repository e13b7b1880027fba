"""Keys, a trust root and a predicate that the tests of attestations share."""

from dataclasses import dataclass

import pytest

from tidegate.core.attest.gate import (
    Actor,
    EvidenceRef,
    GatePredicate,
    GateRef,
    Material,
    PolicyRef,
    Tool,
)
from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose, TrustedKey, TrustRoot
from tidegate.core.stage import Outcome, Stage


@dataclass(frozen=True)
class Cast:
    """Who takes part."""

    ana: PrivateKey
    ana_old: PrivateKey
    bob: PrivateKey
    log: PrivateKey
    stranger: PrivateKey
    root: TrustRoot


@pytest.fixture(scope="session")
def cast() -> Cast:
    ana, ana_old, bob, log, stranger = (PrivateKey.generate(Scheme.ED25519) for _ in range(5))
    steward, trainer = frozenset({Role.STEWARD}), frozenset({Role.TRAINER})
    root = TrustRoot(
        "w1",
        1,
        keys=(
            TrustedKey(ana.verifier, "ana", steward, valid_from=Micros(100)),
            TrustedKey(ana_old.verifier, "ana", steward, valid_until=Micros(150)),
            TrustedKey(bob.verifier, "bob", trainer),
            TrustedKey(log.verifier, "log", purpose=Purpose.LOG, name="tidegate.local/w1"),
        ),
        root_keys=(ana.verifier,),
    )
    return Cast(ana, ana_old, bob, log, stranger, root)


@pytest.fixture(scope="session")
def predicate() -> GatePredicate:
    coverage = {"planned": 2, "examined": 2, "skipped": [], "failed": [], "unit": "file"}
    return GatePredicate(
        gate=GateRef(Stage.TRAIN, "admit"),
        outcome=Outcome.ALLOW,
        actor=Actor("ana", frozenset({Role.TRAINER, Role.STEWARD}), "ab" * 32),
        tool=Tool("tidegate", "0.1.0"),
        time=Micros(1_700_000_000_000_000),
        environment="default",
        policy=PolicyRef("default", "1", sha256(b"policy"), "enforce"),
        coverage=coverage,
        rules=(
            {
                "rule": "train.inputs",
                "control": "TG-TRN-01",
                "outcome": "allow",
                "severity": "high",
                "mode": "enforce",
                "message": "",
                "fix": "",
                "facts": [],
            },
        ),
        checks=(
            {
                "id": "inputs",
                "control": "TG-TRN-01",
                "outcome": "allow",
                "coverage": coverage,
                "detector": {"name": "inputs", "version": "1"},
                "findings": [],
                "facts": {"count": 2, "rate": "0.5"},
            },
        ),
        materials=(Material("data", "dataset", sha256(b"data")),),
        evidence=(EvidenceRef(Stage.INGEST, 3, sha256(b"envelope")),),
        assurance={"isolation": "bubblewrap", "keySealed": True},
        parameters={"seed": 7},
        annotations={"model": {"kind": "model", "size": 12}},
        byproducts=(Material("log", "report", sha256(b"log")),),
    )
