"""What somebody with a key, or with the store's tables, tries so that a refusal is not seen."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.statements import Word, again, append, digest_of, say, whole_model
from tests.workspaces import workspace

from tidegate.app.evidence import Evidence, custody_of, export_evidence, verify_evidence
from tidegate.app.genesis import Founder, everything
from tidegate.app.trustees import next_version, publish
from tidegate.app.workspace import Workspace
from tidegate.core.attest.directive import Directive as Predicate
from tidegate.core.attest.statement import Subject
from tidegate.core.errors import LedgerError, ProofError, TrustError, VerificationError
from tidegate.core.identity.roles import Role
from tidegate.core.policy.directives import Approve, Quarantine, Release, RevokeKey
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.contract import Artifact, GateRequest, Order
from tidegate.gates.custody import Custody
from tidegate.gates.require import Requirements
from tidegate.graph.project import Projector

DATA = str(digest_of("data"))
RELEASE = Release(digest=DATA, reason="checked").to_json()


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """A workspace of two who may all, and one who may only hand in."""
    people = (everything("ann"), everything("bob"), Founder("pia", frozenset({Role.PRODUCER})))
    return workspace(tmp_path, *people)


def by(shop: Workspace, name: str) -> Workspace:
    """Return the workspace as another principal and another process have it."""
    return replace(shop, act_as=name)


def edit(shop: Workspace, statement: str, **values: object) -> None:
    """Do what whoever can write to the store's tables can do."""
    with shop.engine.begin() as connection:
        connection.execute(text(statement), values)


def judged(shop: Workspace, name: str) -> Custody:
    return custody_of(by(shop, "ann"), str(digest_of(name)))


# ── what a key can sign ──────────────────────────────────────────────────────────────────────


def test_an_act_in_another_acts_clothes_has_no_effect(shop: Workspace) -> None:
    """A producer may approve, not release; the payload is not what the predicate says."""
    shop.act(Quarantine(digest=DATA, reason="poisoned"))
    act = Predicate("approve", DATA, "fine", "pia", payload=RELEASE)
    statement = act.statement((Subject.of(DATA, digest_of("data")),))
    append(by(shop, "pia"), statement, "directive")
    state = by(shop, "ann").directives()
    assert state.is_quarantined(DATA)
    assert state.doubtful(DATA)


def test_a_target_that_is_not_the_payloads_has_no_effect(shop: Workspace) -> None:
    """Who reads the target and who reads the payload see the same act, or none."""
    other = str(digest_of("other"))
    shop.act(Quarantine(digest=DATA, reason="poisoned"))
    act = Predicate("release", other, "x", "ann", payload=RELEASE)
    append(shop, act.statement((Subject.of("x", digest_of("other")),)), "directive")
    assert by(shop, "ann").directives().is_quarantined(DATA)


def test_a_malformed_act_stops_nothing(shop: Workspace) -> None:
    """The log can't be rid of it: what it mentions is in doubt, and all else goes on."""
    act = Predicate("quarantine", DATA, "x", "pia",
                    payload={"kind": "quarantine", "version": 1, "digest": 7})  # fmt: skip
    append(by(shop, "pia"), act.statement((Subject.of("x", digest_of("data")),)), "directive")
    state = by(shop, "ann").directives()
    assert state.doubtful(DATA)
    assert not state.doubtful(str(digest_of("other")))


def test_revoking_a_key_frees_nothing_that_it_held(shop: Workspace) -> None:
    """What only takes trust away stands; what gives it back does not."""
    key = by(shop, "bob").principal.key_id
    by(shop, "bob").act(Quarantine(digest=DATA, reason="poisoned"))
    shop.act(Quarantine(digest=str(digest_of("more")), reason="poisoned"))
    by(shop, "bob").act(Release(digest=str(digest_of("more")), reason="fine"))
    shop.act(RevokeKey(key_id=key, from_index=0, reason="stolen"))
    state = by(shop, "ann").directives()
    assert state.is_quarantined(DATA)
    assert state.is_quarantined(str(digest_of("more")))


def test_a_directive_in_a_drills_clothes_has_no_effect(shop: Workspace) -> None:
    """Only a directive's entry holds a directive."""
    shop.act(Quarantine(digest=DATA, reason="poisoned"))
    act = Predicate("release", DATA, "x", "ann", payload=RELEASE)
    for kind in ("drill", "attestation"):
        append(shop, act.statement((Subject.of(DATA, digest_of("data")),)), kind)
    assert by(shop, "ann").directives().is_quarantined(DATA)


LIES = {
    "an actor who did not sign": ({}, "ann"),
    "an entry that names another actor": ({"actor": "ann"}, None),
    "an entry that names another key": ({"key_id": "ab" * 32}, None),
    "an entry that does not name the artifact": ({"subjects": (str(digest_of("x")),)}, None),
}


@pytest.mark.parametrize(("changes", "actor"), LIES.values(), ids=LIES.keys())
def test_a_statement_that_lies_about_itself_counts_for_nothing(
    shop: Workspace, changes: dict[str, object], actor: str | None
) -> None:
    """Who signed is who acted, and the log's entry says what the statement says."""
    word = Word(Stage.INGEST, "data", actor=actor)
    bob = by(shop, "bob")
    append(bob, word.statement(bob), "attestation", **changes)
    found = judged(shop, "data")
    assert found.exit_code != 0
    assert not found.steps


# ── what stands under an artifact is not its own ─────────────────────────────────────────────


def _facts(shop: Workspace, stage: Stage, action: str, name: str) -> dict[str, object]:
    artifact = Artifact(name, "model", digest_of(name))
    request = GateRequest(stage, Order(action, ()), (artifact,))
    needs = Requirements(shop.chains, shop.directives, shop.trust, "ann", shop.clock)
    return {fact.name: fact.value for fact in needs.gather(request).facts}


def test_the_validation_of_the_model_under_it_does_not_count(shop: Workspace) -> None:
    """A tuned model has to be validated, admitted and promoted by itself."""
    whole_model(shop, "base")
    say(shop, Word(Stage.REGISTRY, "base", action="promote", kind="model"))
    tuned = Word(Stage.TRAIN, "tuned", kind="model", materials={"table": "table", "base": "model"})
    say(shop, tuned)
    facts = _facts(shop, Stage.SERVE, "check", "tuned")
    assert (facts["train.present"], facts["ingest.outcome"]) == (True, "allow")
    assert (facts["validate.present"], facts["registry.present"]) == (False, False)
    assert "registry.outcome" not in facts
    found = judged(shop, "tuned")
    assert found.exit_code == 1
    assert {gap.partition(":")[0] for gap in found.gaps} == {"validate", "registry"}
    assert judged(shop, "base").exit_code == 0


def test_data_that_only_a_later_gate_saw_is_not_admitted(shop: Workspace) -> None:
    """A monitored window, or a model's validation, is no admission of data."""
    say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.MONITOR, "window", materials={"data": "dataset"}))
    say(shop, Word(Stage.TRAIN, "model", kind="model",
                   materials={"window": "dataset", "data": "dataset"}))  # fmt: skip
    chain = shop.chains().read([str(digest_of("model"))])
    assert chain.unattested == (str(digest_of("window")),)
    assert not chain.complete


def test_a_model_that_was_once_called_data_is_still_a_model(shop: Workspace) -> None:
    """The first name that somebody gave it does not spare it the later gates."""
    say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.PREPARE, "other", materials={"data": "dataset", "model": "dataset"}))
    say(shop, Word(Stage.TRAIN, "model", kind="dataset", materials={"data": "dataset"}))
    assert judged(shop, "model").exit_code == 1


def test_data_does_not_turn_into_code(shop: Workspace) -> None:
    """Another statement that calls it code does not spare it the admission."""
    say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.PREPARE, "table", materials={"data": "dataset", "raw": "code"}))
    say(shop, Word(Stage.TRAIN, "model", kind="model",
                   materials={"raw": "dataset", "table": "table"}))  # fmt: skip
    chain = shop.chains().read([str(digest_of("model"))])
    assert str(digest_of("raw")) in chain.unattested


# ── what the store's tables can be made to say ───────────────────────────────────────────────


def test_a_quarantine_that_is_gone_from_the_table_still_holds(shop: Workspace) -> None:
    """What holds is read from the log, not from its projection."""
    shop.act(Quarantine(digest=DATA, reason="poisoned"))
    assert shop.directives().is_quarantined(DATA)
    edit(shop, "DELETE FROM directive")
    assert by(shop, "ann").directives().is_quarantined(DATA)


def test_an_approval_that_nobody_signed_does_not_count(shop: Workspace) -> None:
    """A row that was put into the table is no act."""
    shop.act(Approve(subject=DATA, action="registry/promote", reason="fine"))
    shop.catch_up()
    edit(shop, "UPDATE directive SET principal = 'bob'")
    assert by(shop, "ann").directives().approvers(DATA, "registry/promote", producer=None) == (
        "ann",
    )


@pytest.mark.parametrize("column", ["row", "drill", "stage", "outcome"])
def test_a_refusal_that_is_gone_from_the_table_still_counts(shop: Workspace, column: str) -> None:
    """A newer refusal is found by the log's own entries; so no older allow comes back."""
    say(shop, Word(Stage.INGEST, "data"))
    refused = say(shop, Word(Stage.INGEST, "data", Outcome.DENY))
    shop.catch_up()
    what = {"drill": "SET drill = 1", "stage": "SET stage = 'serve'", "outcome": "SET outcome = ''"}
    change = f"UPDATE attestation {what[column]}" if column in what else "DELETE FROM attestation"
    edit(shop, f"{change} WHERE idx = :index", index=refused)
    assert judged(shop, "data").exit_code == 1


def test_a_drill_that_the_table_calls_real_does_not_count(shop: Workspace) -> None:
    """What was only exercised admitted nothing."""
    for word in (Word(Stage.INGEST, "data", drill=True), Word(Stage.INGEST, "data", drill=True)):
        say(shop, word)
    append(shop, Word(Stage.INGEST, "data").statement(shop), "drill")
    shop.catch_up()
    edit(shop, "UPDATE attestation SET drill = 0")
    found = judged(shop, "data")
    assert (found.exit_code, found.steps) == (1, ())


def test_a_refusal_whose_evidence_is_gone_never_becomes_a_pass(shop: Workspace) -> None:
    """Its entry stays, so that the gap shows, after a rebuild, too."""
    say(shop, Word(Stage.INGEST, "data"))
    refused = say(shop, Word(Stage.INGEST, "data", Outcome.DENY))
    edit(shop, "DELETE FROM envelope WHERE idx = :index", index=refused)
    again_ = by(shop, "ann")
    Projector(again_.ledger, again_.projections, again_.trust).rebuild()
    found = judged(shop, "data")
    assert found.exit_code == 1
    assert any("erased or is missing" in gap for gap in found.gaps)


def test_a_directive_whose_evidence_is_gone_stops_the_gates(shop: Workspace) -> None:
    """It may have forbidden anything."""
    index = shop.act(Quarantine(digest=DATA, reason="poisoned")).index
    edit(shop, "DELETE FROM envelope WHERE idx = :index", index=index)
    with pytest.raises(LedgerError) as caught:
        by(shop, "ann").directives()
    assert caught.value.slug == "directive-missing"


def test_an_allow_that_is_appended_again_is_not_newer(shop: Workspace) -> None:
    """Its envelope was signed once; the refusal after it stands."""
    allowed = say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.INGEST, "data", Outcome.DENY))
    again(shop, allowed)
    assert judged(shop, "data").exit_code == 1


def test_a_release_that_is_appended_again_frees_nothing(shop: Workspace) -> None:
    """Nor does an approval come back; to quarantine twice in the same words works."""
    acts = (Quarantine, Release, Quarantine)
    indices = [shop.act(act(digest=DATA, reason="the same words")).index for act in acts]
    again(shop, indices[1])
    assert by(shop, "ann").directives().is_quarantined(DATA)


# ── what can be done to an evidence file ─────────────────────────────────────────────────────


def _offline(shop: Workspace, evidence: Evidence) -> Custody:
    return verify_evidence(Evidence.parse(evidence.to_bytes()), shop.trust, now=shop.clock.now())


def test_evidence_without_its_refusal_or_quarantine_proves_nothing(shop: Workspace) -> None:
    """Each statement that is left out is missed, whatever it said."""
    say(shop, Word(Stage.INGEST, "data"))
    assert _offline(shop, export_evidence(shop, DATA)).exit_code == 0
    say(shop, Word(Stage.INGEST, "data", Outcome.DENY))
    shop.act(Quarantine(digest=DATA, reason="poisoned"))
    whole = export_evidence(by(shop, "ann"), DATA)
    assert _offline(shop, whole).exit_code == 1
    for index in whole.statements:
        rest = {at: body for at, body in whole.statements.items() if at != index}
        try:
            found = _offline(shop, replace(whole, statements=rest))
        except LedgerError:
            continue
        assert found.exit_code == 1


def test_evidence_without_some_entries_is_refused(shop: Workspace) -> None:
    """The entries give the signed root, or they are not the log."""
    say(shop, Word(Stage.INGEST, "data"))
    whole = export_evidence(shop, DATA)
    first, second, *rest = whole.entries
    for entries in (whole.entries[:-1], (second, first, *rest), (*whole.entries, first), ()):
        with pytest.raises(ProofError):
            _offline(shop, replace(whole, entries=tuple(entries)))


def test_evidence_can_not_be_padded_with_claims(shop: Workspace) -> None:
    """A statement that is in no log, under any index, changes nothing or refuses the file."""
    say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.TRAIN, "model", kind="model", materials={"data": "dataset"}))
    whole = export_evidence(shop, str(digest_of("model")))
    honest = _offline(shop, whole)
    assert honest.exit_code == 1
    forged = Word(Stage.PREPARE, "x", materials={"model": "dataset"}).statement(shop).to_bytes()
    for index in range(len(whole.entries) + 2):
        padded = replace(whole, statements={index: forged, **whole.statements})
        try:
            assert _offline(shop, padded).to_json() == honest.to_json()
        except VerificationError:
            continue


def test_evidence_is_not_judged_by_a_trust_root_that_the_log_outlived(shop: Workspace) -> None:
    """A key that a later version retired would count again."""
    before = shop.trust
    say(shop, Word(Stage.INGEST, "data"))
    old = export_evidence(shop, DATA)
    publish(shop, next_version(before, keys=before.keys))
    now = by(shop, "ann")
    with pytest.raises(TrustError) as caught:
        verify_evidence(export_evidence(now, DATA), before, now=now.clock.now())
    assert caught.value.slug == "trust-behind"
    found = verify_evidence(export_evidence(now, DATA), now.trust, now=now.clock.now())
    assert found.exit_code == 0
    assert verify_evidence(old, now.trust, now=now.clock.now()).exit_code == 0
