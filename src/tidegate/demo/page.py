"""The demonstration's page: what happened, where the model came from, how to prove it."""

from pathlib import Path

from tidegate.app.picture import graph
from tidegate.app.workspace import Workspace
from tidegate.demo.narrator import Narrator
from tidegate.demo.release_scenes import ALIAS
from tidegate.gates.custody import Custody
from tidegate.report.story import Card, Command, Story, Table, render
from tidegate.version import __version__

_PEOPLE = "dana (data), tara (training), vic (validation), rory (release) and omar (operation)"


def write_page(
    path: Path, workspace: Workspace, found: Custody, narrator: Narrator, *, seconds: float,
    command: str
) -> None:  # fmt: skip
    """Write the page."""
    nodes, edges = graph(workspace)
    stages = {step.stage for step in found.steps}
    head = workspace.log.head
    story = Story(
        title=f"The chain of custody of {found.name}",
        lead="From raw measurements to a served model: every gate signed what it saw, and "
        f"everything that an attacker tried was stopped. Five people took part: {_PEOPLE}, each "
        "with a key of their own.",
        cards=(
            Card("Gates on the way", f"{len(stages)} of 7", "each with a signed verdict", "allow"),
            Card("Attacks stopped", str(len(narrator.stopped)), "tried for real, live", "deny"),
            Card("Entries in the log", str(head.size), f"head {head.root.hex()[:12]}"),
            Card("Time", f"{seconds:.0f} s", "offline, on this machine"),
        ),
        nodes=nodes,
        edges=edges,
        tables=(
            Table(
                "The walk back from the deployment",
                ("Gate", "Verdict", "Artifact", "Digest", "Signed by", "Log"),
                [
                    (
                        f"{step.stage.value} / {step.action}",
                        step.outcome.value,
                        step.name,
                        step.digest[7:23],
                        f"{step.signer} ({', '.join(step.roles)})",
                        str(step.index),
                    )
                    for step in found.steps
                ],
                "Each row is an in-toto statement whose signature, role, log inclusion and "
                "revocation were verified for this page.",
                frozenset({3}),
            ),
            Table(
                "What was tried, and what came of it",
                ("Scene", "Result", "What", "What the gate said"),
                [(line.scene, line.mark.value, line.what, line.why) for line in narrator.lines],
            ),
        ),
        commands=(
            Command("Verify the whole chain on a machine that has nothing else", command),
            Command("Check the ledger, entry by entry", f"tidegate log check -C {workspace.root}"),
            Command("Look at the lineage", f"tidegate graph trace {ALIAS} -C {workspace.root}"),
        ),
        footer=f"Written by Tidegate {__version__}. The data are the Wisconsin breast cancer "
        "measurements that come with scikit-learn.",
    )
    path.write_text(render(story), "utf-8")
