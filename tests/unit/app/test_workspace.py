"""Workspaces: projections from the ledger alone, isolation, memory of heads, evidence files."""

import shutil
from pathlib import Path

import pytest
from tests.workspaces import admit, workspace

from tidegate.app.evidence import Evidence, custody_of, export_evidence, verify_evidence
from tidegate.app.trust import read_trust
from tidegate.app.workspace import HOME, Workspace
from tidegate.core.clock import Micros
from tidegate.core.errors import RollbackError, TrustError, UsageError, VerificationError
from tidegate.core.policy.directives import Quarantine, RevokeKey
from tidegate.graph.project import Projector


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    return workspace(tmp_path)


@pytest.fixture
def digest(shop: Workspace, tmp_path: Path) -> str:
    path = tmp_path / "drop.bin"
    path.write_bytes(b"rows")
    return admit(shop, path).subjects[0].digest


def test_projections_rebuilt_from_the_ledger_are_equal(shop: Workspace, digest: str) -> None:
    """Dropped and made again, every row is the same."""
    shop.act(Quarantine(digest=digest, reason="a test"))
    shop.catch_up()
    before = list(shop.projections.dump())
    Projector(shop.ledger, shop.projections, shop.trust).rebuild()
    assert list(shop.projections.dump()) == before
    assert before


def test_a_second_workspace_in_a_folder_is_refused(shop: Workspace, tmp_path: Path) -> None:
    """Nothing is overwritten."""
    with pytest.raises(UsageError):
        workspace(tmp_path)


def test_a_restored_backup_is_noticed(shop: Workspace, digest: str, tmp_path: Path) -> None:
    """A client that remembers the head sees that the log went back."""
    shop.engine.dispose()
    shutil.copytree(shop.root, tmp_path / "backup")
    shop.act(Quarantine(digest=digest, reason="later"))
    shop.verification()
    shop.engine.dispose()
    shutil.rmtree(shop.root)
    shutil.copytree(tmp_path / "backup", shop.root)
    again = Workspace.open(
        shop.root, clock=shop.clock, environ={"XDG_STATE_HOME": str(tmp_path / "state")}
    )
    with pytest.raises(RollbackError):
        again.verification()


def test_evidence_verifies_without_the_workspace(shop: Workspace, digest: str) -> None:
    """The file and the trust root are enough."""
    data = export_evidence(shop, digest).to_bytes()
    trust = read_trust(shop.root / HOME / "trust.json", shop.trust.digest)
    found = verify_evidence(Evidence.parse(data), trust, now=shop.clock.now())
    assert found.exit_code == 0
    assert [step.stage.value for step in found.steps] == ["ingest"]
    assert found.to_json() == custody_of(shop, digest).to_json()


def test_every_changed_byte_of_evidence_is_noticed(shop: Workspace, digest: str) -> None:
    """No single changed byte leaves a file that proves the same."""
    data = export_evidence(shop, digest).to_bytes()
    trust = shop.trust
    whole = verify_evidence(Evidence.parse(data), trust, now=shop.clock.now()).to_json()
    step = max(1, len(data) // 150)
    for place in range(0, len(data), step):
        changed = bytearray(data)
        changed[place] ^= 0x01
        try:
            found = verify_evidence(Evidence.parse(bytes(changed)), trust, now=shop.clock.now())
        except VerificationError:
            continue
        assert found.exit_code != 0 or found.to_json() != whole or _same_json(data, changed)


def _same_json(data: bytes, changed: bytearray) -> bool:
    # Base64 has unused bits at its end, and they carry nothing.
    return Evidence.parse(bytes(changed)) == Evidence.parse(data)


def test_a_deleted_statement_is_a_gap(shop: Workspace, digest: str) -> None:
    """Evidence without the gate's statement proves nothing, and says what is missing."""
    whole = export_evidence(shop, digest)
    less = Evidence(whole.digest, whole.checkpoint, whole.entries, {})
    found = verify_evidence(less, shop.trust, now=shop.clock.now())
    assert found.exit_code == 1
    assert any(gap.startswith("ingest") for gap in found.gaps)


def test_a_revoked_key_takes_its_later_statements_with_it(shop: Workspace, digest: str) -> None:
    """From the index on, nothing that the key signed counts."""
    shop.act(RevokeKey(key_id=shop.principal.key_id, from_index=0, reason="stolen"))
    found = custody_of(shop, digest)
    assert found.exit_code == 5
    assert "revoked" in found.broken[0].why


def test_another_trust_root_is_refused(shop: Workspace, digest: str, tmp_path: Path) -> None:
    """A head that another workspace's log signed proves nothing here."""
    other = workspace(tmp_path / "other")
    evidence = export_evidence(shop, digest)
    with pytest.raises(VerificationError):
        verify_evidence(evidence, other.trust, now=Micros(0))
    with pytest.raises(TrustError):
        read_trust(other.root / HOME / "trust.json", shop.trust.digest)
