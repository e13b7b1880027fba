"""The demonstration from the first scene to the last."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.evidence import custody_of, export_evidence
from tidegate.app.trust import CHAIN, read_chain, write_chain
from tidegate.demo import (
    data_scenes,
    drift_scenes,
    live_scenes,
    model_scenes,
    release_scenes,
)
from tidegate.demo.cast import Cast, assemble
from tidegate.demo.data import write_sources
from tidegate.demo.narrator import Line, Narrator
from tidegate.demo.page import write_page
from tidegate.demo.release_scenes import ALIAS


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to show afterwards."""

    narrator: Narrator
    gates: int
    """Gates that the deployed model passed."""
    entries: int
    head: str
    seconds: float
    page: Path
    command: str
    """Verifies everything offline."""


def run(folder: Path, show: Callable[[str | Line], None]) -> Told:
    """Run all scenes in a new folder.

    Args:
        folder: Where; must not exist.
        show: Is handed each scene's title and each line as it happens.
    """
    started = time.monotonic()
    narrator = Narrator(show, time.monotonic)
    folder.mkdir(parents=True)
    folder = folder.resolve()
    cast, sources = assemble(folder), write_sources(folder / "data")
    narrator.scene("1 Ingest: six sources hand in their data")
    data_scenes.ingest(cast, sources, narrator)
    narrator.scene("2, 3 Prepare and train: confined, from admitted inputs only")
    trained = model_scenes.build(cast, sources, folder, narrator)
    narrator.scene("4 Validate: two laboratories that the trainer did not choose")
    model_scenes.judge(cast, sources, trained, narrator)
    narrator.scene("5 Registry: nothing malicious in, nothing unsigned out")
    profile = drift_scenes.freeze_profile(trained, folder)
    release_scenes.registry(cast, trained.model, profile, folder, narrator)
    narrator.scene("6 Serve: what is deployed is what was promoted")
    deployed = folder / "deployed"
    deployed.mkdir()
    released = release_scenes.deploy(cast, trained.model, deployed, narrator)
    live_scenes.swapped_model(cast, released, folder, narrator)
    live_scenes.traffic(cast, released, folder, narrator)
    narrator.scene("7 Monitor: live traffic against the frozen profile")
    drift_scenes.observe(cast, sources, profile, folder, narrator)
    return _proved(cast, folder, narrator, started)


def _proved(cast: Cast, folder: Path, narrator: Narrator, started: float) -> Told:
    workspace = cast.by("omar")
    digest = workspace.directives().resolve(ALIAS) or ""
    evidence, trust = folder / "evidence.json", folder / "trust.json"
    evidence.write_bytes(export_evidence(workspace, digest).to_bytes())
    write_chain(trust, read_chain(workspace.home / CHAIN))
    pin = workspace.trust.digest
    command = f"tidegate verify {evidence} --trust {trust} --pin {pin}"
    found = custody_of(workspace, digest)
    narrator.scene("Proof: from the served digest to every raw source")
    narrator.tell(
        "the chain verifies, link by link",
        f"{len(found.steps)} signed verdicts, sources: {', '.join(found.sources)}",
        expected=found.exit_code == 0,
    )
    page, seconds = folder / "report.html", time.monotonic() - started
    write_page(page, workspace, found, narrator, seconds=seconds, command=command)
    head = workspace.log.head
    stages = {step.stage for step in found.steps}
    return Told(narrator, len(stages), head.size, head.root.hex()[:16], seconds, page, command)
