"""What somebody who can write to the folder tries so that gates decide by weaker rules."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.statements import again
from tests.workspaces import START, GivenGate, admit, passing, workspace

from tidegate.app.genesis import Founder, everything
from tidegate.app.signed_policy import sign
from tidegate.app.workspace import Workspace
from tidegate.core.clock import DAY, FixedClock
from tidegate.core.errors import AccessError, PolicyError
from tidegate.core.identity.roles import Role
from tidegate.core.policy.directives import RevokeKey
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.contract import Order, Target


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """A workspace of one who may all, and two who may not change rules."""
    people = (
        everything("ann"),
        Founder("vic", frozenset({Role.VALIDATOR})),
        Founder("pia", frozenset({Role.PRODUCER})),
    )
    return workspace(tmp_path, *people)


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """Data that the default policy refuses: nobody answers for it."""
    path = tmp_path / "drop.csv"
    path.write_text("a,b\n1,2\n")
    return path


def use(shop: Workspace, name: str, *, lax: bool = False, act_as: str = "ann") -> Workspace:
    """Write a policy and the setting that names it; return the workspace as it is opened then."""
    rules = {rule.id for rule in shop.policy.rules if rule.gate.startswith("ingest")}
    text = f'extends = "default"\nname = "{name}"\nversion = "1"\n'
    if lax:
        text += "".join(f'[[rule]]\nid = "{rule}"\nmode = "shadow"\n' for rule in sorted(rules))
    (shop.root / f"{name}.toml").write_text(text)
    return named(shop, f"{name}.toml", act_as=act_as)


def named(shop: Workspace, bundle: str, *, act_as: str = "ann") -> Workspace:
    policy = shop.settings.policy.model_copy(update={"bundle": bundle})
    settings = shop.settings.model_copy(update={"policy": policy})
    return replace(shop, settings=settings, act_as=act_as)


def refused(shop: Workspace, drop: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        admit(shop, drop)
    assert caught.value.slug is not None
    return caught.value.slug


def test_a_policy_that_nobody_signed_decides_nothing(shop: Workspace, drop: Path) -> None:
    assert refused(use(shop, "lax", lax=True), drop) == "unsigned-policy"
    size = shop.ledger.size()
    assert refused(use(shop, "default", lax=True), drop) == "unsigned-policy"
    assert shop.ledger.size() == size, "nothing was signed or appended"


@pytest.mark.parametrize("who", ["pia", "vic"])
def test_not_everybody_puts_a_policy_in_force(shop: Workspace, drop: Path, who: str) -> None:
    """Neither by the command, nor by a statement that is signed without it."""
    mine = use(shop, "lax", lax=True, act_as=who)
    with pytest.raises(AccessError):
        sign(mine, mine.policy, [])
    forger = replace(mine)
    forger.__dict__["principal"] = replace(mine.principal, roles=frozenset(Role))
    sign(forger, mine.policy, [])
    assert refused(use(shop, "lax", lax=True), drop) == "unsigned-policy"


def test_the_policy_that_was_signed_last_decides_alone(shop: Workspace, drop: Path) -> None:
    """Not one that it replaced, nor a milder one that comes with Tidegate."""
    lax, strict = use(shop, "lax", lax=True), use(shop, "ours")
    first = sign(lax, lax.policy, []).index
    assert admit(replace(lax), drop).outcome is Outcome.ALLOW
    sign(strict, strict.policy, [])
    assert admit(replace(strict), drop).outcome is not None
    for other in (lax, named(shop, "default"), named(shop, "strict")):
        assert refused(replace(other), drop) == "other-policy"
    again(shop, first)
    assert refused(replace(lax), drop) == "other-policy"
    sign(replace(lax), lax.policy, [])
    assert admit(replace(lax), drop).outcome is Outcome.ALLOW


def test_a_signature_over_a_policy_ends(shop: Workspace, drop: Path) -> None:
    """After a year somebody looks again."""
    ours = use(shop, "ours")
    sign(ours, ours.policy, [])
    later = replace(ours, clock=FixedClock(START + 366 * DAY))
    assert refused(later, drop) == "policy-expired"
    sign(replace(later), later.policy, [])
    admit(replace(later), drop)


def test_a_revoked_key_put_no_policy_in_force(shop: Workspace, tmp_path: Path) -> None:
    two = workspace(tmp_path / "two", everything("ann"), everything("bob"))
    lax = use(two, "lax", lax=True)
    index = sign(lax, lax.policy, []).index
    replace(two, act_as="bob").act(
        RevokeKey(key_id=lax.principal.key_id, from_index=index, reason="stolen")
    )
    drop = tmp_path / "more.csv"
    drop.write_text("a\n1\n")
    assert refused(use(two, "lax", lax=True, act_as="bob"), drop) == "unsigned-policy"


def test_a_policy_may_be_tried_before_it_is_signed(shop: Workspace, drop: Path) -> None:
    """A dry run signs nothing."""
    order = Order("admit", (Target("drop", "dataset", drop),), dry_run=True)
    gate = GivenGate(Stage.INGEST, [passing("governance")])
    assert use(shop, "lax", lax=True).run(gate, order).index is None
