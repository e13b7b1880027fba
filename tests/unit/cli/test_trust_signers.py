"""Who acts on the trust root is who signs it: naming somebody lends nobody a root key."""

from pathlib import Path

import pytest
from tests.sites import Site, Tidegate

from tidegate.app.trustees import next_version, publish
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.note import COSIGNATURE, NoteKey

WS = ("-C", "ws")

TRUST_ACTS = {
    "a key": ("keys", "new", "cy"),
    "a rotation of one's own key": ("keys", "rotate", "ana"),
    "a key for models": ("keys", "models", "me"),
    "a witness": ("trust", "add-witness", NoteKey("w", COSIGNATURE, bytes(range(32))).vkey),
    "a successor": ("trust", "log-successor", "next"),
}


@pytest.mark.parametrize("act", TRUST_ACTS)
def test_who_acts_on_the_trust_root_signs_it(act: str, site: Site, tidegate: Tidegate) -> None:
    """The root key lies here, and still does not sign for somebody else."""
    for name in ("ana", "nobody"):
        ran = tidegate(*TRUST_ACTS[act], "--as", name, *WS)
        assert (ran.code, "TG-ACC/" in ran.err) == (1, True)
    assert site.open().log.head.size == 2
    assert not Path("next").exists()
    assert tidegate(*TRUST_ACTS[act], "--as", "me", *WS).code == 0


def test_of_two_root_keys_the_one_of_who_acts_is_named_in_the_log(site: Site) -> None:
    ana = next(key.key for key in site.open().trust.keys if key.principal == "ana")
    before = site.open().trust
    publish(
        site.open(),
        next_version(before, root_keys=(*before.root_keys, ana), root_threshold=2),
        joining=[site.open().keys.load("ana", passphrase=None)],
    )
    for name in ("ana", "me"):
        done = publish(site.open(name), next_version(site.open().trust))
        assert (done.signers[0], sorted(done.signers)) == (name, ["ana", "me"])
        assert Entry.parse(site.open().log.entry(done.index)).actor == name
