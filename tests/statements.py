"""Statements that a principal with a key can sign and append, honest or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.app.workspace import Workspace
from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.gate import Actor, GatePredicate, GateRef, Material, PolicyRef, Tool
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.canonical import Json, dumps
from tidegate.core.digest import Digest, sha256
from tidegate.core.finding import Coverage
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import PendingEntry
from tidegate.core.stage import Outcome, Stage


def digest_of(name: str) -> Digest:
    """Return the digest of an artifact that need not exist."""
    return sha256(name.encode())


@dataclass(frozen=True)
class Word:
    """What a gate statement says about an artifact, which is known by its name."""

    stage: Stage
    name: str
    outcome: Outcome = Outcome.ALLOW
    action: str = "admit"
    kind: str = "dataset"
    materials: Mapping[str, str] = field(default_factory=dict)
    """Name to kind."""
    actor: str | None = None
    drill: bool = False
    note: str = ""
    """Makes it unlike another."""

    def statement(self, shop: Workspace) -> Statement:
        """Return the statement that the workspace's principal would sign."""
        coverage = Coverage(1, 1).to_json()
        rule: dict[str, Json] = {"rule": "a", "mode": "enforce", "outcome": self.outcome.value}
        check: dict[str, Json] = {"id": "c", "outcome": "allow", "findings": []}
        who = shop.principal
        predicate = GatePredicate(
            gate=GateRef(self.stage, self.action),
            outcome=self.outcome,
            actor=Actor(self.actor or who.name, who.roles, who.key_id),
            tool=Tool("test", "1"),
            time=shop.clock.now(),
            environment="default",
            policy=PolicyRef("p", "1", digest_of("policy"), "enforce"),
            coverage=coverage,
            rules=(rule,),
            checks=({**check, "coverage": coverage},),
            materials=tuple(
                Material(name, kind, digest_of(name)) for name, kind in self.materials.items()
            ),
            annotations={self.name: {"kind": self.kind}},
            drill=self.drill,
            extra={"note": self.note},
        )
        return predicate.statement((Subject.of(self.name, digest_of(self.name)),))


def say(shop: Workspace, word: Word) -> int:
    """Sign and append; return the log index."""
    return shop.notary.publish(word.statement(shop), kind="attestation").index


def append(shop: Workspace, statement: Statement, kind: str, **changes: object) -> int:
    """Sign as the principal, and append an entry that may say something else."""
    body = dumps(dsse.sign(statement.to_bytes(), PAYLOAD_TYPE, [shop.principal.signer]).to_json())
    entry = Entry(
        kind=kind,
        workspace=shop.id,
        actor=shop.principal.name,
        key_id=shop.principal.key_id,
        tool="test 1",
        subjects=tuple(f"sha256:{one.digests['sha256']}" for one in statement.subjects),
        envelope=str(sha256(body)),
        predicate_type=statement.predicate_type,
    )
    return shop.ledger.append(PendingEntry(replace(entry, **changes), body))  # type: ignore[arg-type]  # any field


def again(shop: Workspace, index: int) -> int:
    """Append the envelope of an entry once more, as whoever can write to the store could."""
    entry = Entry.parse(shop.log.entry(index))
    body = shop.ledger.envelope(str(entry.envelope))
    return shop.ledger.append(PendingEntry(replace(entry, raw=None, time=0), body))


def whole_model(shop: Workspace, name: str, *, under: Sequence[str] = ("data",)) -> None:
    """Say all that the chain of a model needs, its data included."""
    say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.PREPARE, "table", materials={"data": "dataset"}))
    materials = {"table": "table", **{item: "model" for item in under if item != "data"}}
    say(shop, Word(Stage.TRAIN, name, kind="model", materials=materials))
    for stage in (Stage.VALIDATE, Stage.REGISTRY):
        say(shop, Word(stage, name, kind="model"))
