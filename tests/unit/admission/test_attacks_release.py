"""What somebody who can write to the log's store tries at the cluster's door."""

from pathlib import Path

import pytest
from tests.proving import MODEL, TRUST, recalls, release

from tidegate.admission.shelf import Shelf, ShelfReader
from tidegate.core.clock import DAY, SystemClock
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import VerificationError
from tidegate.gateway.provenance import Deployment, Provenance, Standing
from tidegate.interop.release import Recalls

LONG_AGO = SystemClock().now() - 30 * DAY
NEWER = sha256(b"the model, mended")


def shelf(folder: Path, **files: bytes) -> Shelf:
    for name, data in files.items():
        (folder / f"{name}.json").write_bytes(data)
    return ShelfReader(folder, TRUST, SystemClock()).shelf()


def told(found: Shelf) -> dict[str, str]:
    return {one.file: one.why.partition(":")[0] for one in found.troubles}


def test_an_old_release_that_is_logged_again_is_not_the_newest(tmp_path: Path) -> None:
    """The resource would fall back to the model that was replaced."""
    found = shelf(
        tmp_path,
        new=release(digest=NEWER, index=3),
        replayed=release(digest=MODEL, index=4, said=LONG_AGO),
    )
    assert found.by_resource["s3://models/credit"].digest == NEWER
    assert told(found) == {"replayed.json": "TG-VER/replayed"}


def test_old_recalls_that_are_logged_again_take_nothing_back(tmp_path: Path) -> None:
    """What was recalled since would come in again."""
    found = shelf(
        tmp_path,
        new=recalls(Recalls(frozenset({str(MODEL)})), index=3),
        replayed=recalls(Recalls(frozenset()), index=4, said=LONG_AGO),
    )
    assert (found.recalled, found.recalls_at) == (frozenset({str(MODEL)}), 3)
    assert told(found) == {"replayed.json": "TG-VER/replayed"}


@pytest.mark.parametrize("what", ["release", "recalls"])
def test_what_was_said_in_a_drill_counts_for_nothing(tmp_path: Path, what: str) -> None:
    given = (
        release(kind="drill")
        if what == "release"
        else recalls(Recalls(frozenset({str(MODEL)})), kind="drill")
    )
    found = shelf(tmp_path, drilled=given)
    assert (dict(found.by_digest), found.recalled) == ({}, frozenset())
    assert told(found) == {"drilled.json": "TG-VER/other-predicate"}


@pytest.mark.parametrize(
    ("changes", "slug"), [({"said": LONG_AGO}, "replayed"), ({"kind": "drill"}, "other-predicate")]
)
def test_the_gateway_believes_no_release_that_was_not_said_for_this(
    tmp_path: Path, changes: dict[str, int | str], slug: str
) -> None:
    """A check that is long over does not become fresh by being logged again."""
    file = tmp_path / "release.json"
    judge = Provenance(Deployment("credit", MODEL, file), TRUST, SystemClock())
    file.write_bytes(release())
    judge.check()
    file.write_bytes(release(**changes))  # type: ignore[arg-type]  # each is of its field's type
    with pytest.raises(VerificationError) as caught:
        judge.check()
    assert caught.value.slug == slug


def test_a_release_of_nothing_that_can_be_compared_ends_service(tmp_path: Path) -> None:
    """Whatever is wrong with it: what was verified a second ago is no reason to go on."""
    file = tmp_path / "release.json"
    deployment = Deployment("credit", MODEL, file)
    judge = Provenance(deployment, TRUST, SystemClock(), every=0.0)
    file.write_bytes(release())
    assert judge.standing().verified
    file.write_bytes(release(digest=Digest("sha512", "ab" * 64)))
    for _ in range(3):
        assert judge.standing() == Standing(verified=False, reason="bad-digest")
