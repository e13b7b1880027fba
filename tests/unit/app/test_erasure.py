"""Erasure is an act: somebody answers for it, and it takes no prohibition away."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.statements import Word, digest_of, say
from tests.workspaces import workspace

from tidegate.app.erasure import erase
from tidegate.app.genesis import Founder, everything
from tidegate.app.workspace import Workspace
from tidegate.core.digest import Digest
from tidegate.core.errors import AccessError, UsageError
from tidegate.core.identity.roles import Role
from tidegate.core.ledger.entry import Entry
from tidegate.core.policy.directives import Quarantine
from tidegate.core.stage import Outcome, Stage

DATA = str(digest_of("data"))


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    return workspace(tmp_path, everything("ann"), Founder("tom", frozenset({Role.TRAINER})))


def envelope(shop: Workspace, index: int) -> Digest:
    return Digest.parse(str(Entry.parse(shop.log.entry(index)).envelope))


def test_an_erasure_is_logged_with_who_and_why(shop: Workspace) -> None:
    refused = envelope(shop, say(shop, Word(Stage.INGEST, "data", Outcome.DENY)))
    receipt, gone = erase(shop, refused, "names a patient")
    assert gone
    row = shop.directive_rows()[-1]
    assert (row.index, row.kind, row.target) == (receipt.index, "erase", str(refused))
    assert (row.principal, "names a patient" in row.payload) == ("ann", True)
    state = replace(shop).directives()
    assert (state.refused, state.unknown) == ((), ())
    assert replace(shop).chains().read([DATA]).erased == (DATA,)


def test_not_everybody_erases(shop: Workspace) -> None:
    """A refusal would be gone, and nobody had done it."""
    refused = envelope(shop, say(shop, Word(Stage.INGEST, "data", Outcome.DENY)))
    size = shop.ledger.size()
    with pytest.raises(AccessError):
        erase(replace(shop, act_as="tom"), refused, "I was refused")
    assert shop.ledger.size() == size
    assert shop.storage.envelope(str(refused)) is not None
    assert isinstance(shop.storage.envelope(str(refused)), bytes)


def test_what_forbids_is_not_erased(shop: Workspace) -> None:
    """Without it every gate would stop for ever."""
    held = envelope(shop, shop.act(Quarantine(digest=DATA, reason="poisoned")).index)
    with pytest.raises(UsageError) as caught:
        erase(shop, held, "no more of it")
    assert caught.value.slug == "not-erasable"
    assert replace(shop).directives().is_quarantined(DATA)
