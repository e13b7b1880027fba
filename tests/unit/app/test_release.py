"""From a promotion to a file that a cluster reads: made in a real workspace."""

from pathlib import Path

import pytest
from tests.workspaces import workspace

from tidegate.app.registry import Promotion, promote_model
from tidegate.app.release import publish_recalls, publish_summary, recalls, write_proved
from tidegate.app.serve import Deployment, check_deployment
from tidegate.core.clock import DAY, Micros
from tidegate.core.errors import FreshnessError, TrustError, UsageError
from tidegate.core.identity.trust import Revocation
from tidegate.core.policy.directives import Quarantine
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.models import GOOD
from tidegate.interop.proved import Proved
from tidegate.interop.release import read_recalls, read_release

pytestmark = pytest.mark.slow
ALIAS = f"{MODEL}/prod"
URI = "s3://models/credit/7"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Arena, Path]:
    """A workspace with a promoted model."""
    folder = tmp_path_factory.mktemp("release")
    arena, model = Arena.make(folder), folder / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    arena.promoted(model, "1.0.0")
    return arena, model


def test_a_promotion_becomes_a_release(shop: tuple[Arena, Path], tmp_path: Path) -> None:
    """The file verifies with the trust root alone, and says which bytes, where and by whom."""
    arena, model = shop
    where = arena.workspace
    decision = promote_model(where, Promotion(MODEL, "1.0.0", "prod", model))
    receipt = publish_summary(where, decision, ALIAS, resource=URI)
    write_proved(where, receipt.index, tmp_path / "release.json")
    data = (tmp_path / "release.json").read_bytes()
    assert len(data) < 16_384
    found = read_release(Proved.parse(data), where.trust, now=where.clock.now())
    assert (found.name, found.resource) == (ALIAS, URI)
    assert str(found.digest) == where.directives().resolve(ALIAS)
    assert found.signers == ("dana",)


def test_age_and_revocation_end_it(shop: tuple[Arena, Path]) -> None:
    """What the file can't know is handed in: the time, and what was revoked since."""
    arena, model = shop
    where = arena.workspace
    decision = check_deployment(where, Deployment(model, ALIAS))
    receipt = publish_summary(where, decision, ALIAS)
    proved = write_proved(where, receipt.index, model.with_name("r.json"))
    now = where.clock.now()
    assert read_release(proved, where.trust, now=now, max_age=Micros(DAY))
    with pytest.raises(FreshnessError):
        read_release(proved, where.trust, now=Micros(now + 2 * DAY), max_age=Micros(DAY))
    gone = Revocation(where.principal.key_id, receipt.index, "stolen")
    with pytest.raises(TrustError):
        read_release(proved, where.trust, now=now, revocations=(gone,))


def test_another_workspaces_release_is_none_here(shop: tuple[Arena, Path], tmp_path: Path) -> None:
    """Its log key and its people mean nothing to this trust root."""
    arena, model = shop
    where = arena.workspace
    decision = check_deployment(where, Deployment(model, ALIAS))
    receipt = publish_summary(where, decision, ALIAS)
    proved = write_proved(where, receipt.index, tmp_path / "r.json")
    with pytest.raises(TrustError):
        read_release(proved, workspace(tmp_path).trust, now=where.clock.now())


def test_recalls_name_what_derives_from_the_bad(tmp_path: Path) -> None:
    """A quarantined source recalls the model that was made from it."""
    arena, model = Arena.make(tmp_path), tmp_path / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    made = arena.trained(model)
    where = arena.workspace
    assert recalls(where).digests == frozenset()
    raw = next(
        node for node in where.chains().read([str(made.digest)]).nodes if node != str(made.digest)
    )
    where.act(Quarantine(digest=raw, reason="the partner's feed was poisoned"))
    receipt = publish_recalls(where)
    proved = write_proved(where, receipt.index, tmp_path / "recalls.json")
    found = read_recalls(Proved.parse(proved.to_bytes()), where.trust, now=where.clock.now())
    assert {raw, str(made.digest)} <= found.digests
    assert found.index == receipt.index


def test_a_dry_run_releases_nothing(shop: tuple[Arena, Path]) -> None:
    arena, model = shop
    decision = check_deployment(arena.workspace, Deployment(model, ALIAS, dry_run=True))
    with pytest.raises(UsageError):
        publish_summary(arena.workspace, decision, ALIAS)
