"""``tidegate verify``: from an artifact back to its sources, each step checked."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app.evidence import Evidence, custody_of, verify_evidence
from tidegate.app.names import find_artifact
from tidegate.app.reading import about, read_file
from tidegate.app.trust import named_trust
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Reading
from tidegate.core.artifact.reference import resolve
from tidegate.core.clock import SystemClock
from tidegate.core.digest import Digest
from tidegate.core.errors import ProofError
from tidegate.gates.custody import Custody

app = App(name="verify", help="Walk from an artifact back to its sources and check each step.")

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_MAX_FILE = 512 << 20


@app.default
def verify(
    artifact: str,
    /,
    *,
    reading: Annotated[Reading, FLAT] = Reading(),
    evidence: Path | None = None,
    trust: Path | None = None,
    pin: str | None = None,
) -> int:
    """Walk from an artifact back to its sources, and check each step.

    JSON: `schema`, `digest`, `name`, `kind`, `outcome`; `steps` (`stage`, `action`, `outcome`,
    `name`, `kind`, `digest`, `signer`, `roles`, `index`, `time`, `age_s`); `sources`; `broken`
    (`index`, `digest`, `why`); `gaps`.

    Args:
        artifact: A path, a digest, NAME@VERSION, a deployment NAME/STAGE; or an evidence file.
        reading: Where the workspace is, which is not needed with --trust; how the answer is shown.
        evidence: Verify from this evidence file, without a workspace.
        trust: The trust root file that goes with it.
        pin: The digest of the trust root's first version, as `tidegate init` showed it.
    """
    if evidence is None and trust is not None:
        evidence, artifact = Path(artifact), ""
    if evidence is not None:
        found = _offline(evidence, artifact, trust or Path("trust.json"), pin)
    else:
        workspace = session.reading(reading)
        found = custody_of(workspace, find_artifact(workspace, artifact))
    output.emit(reading, found.to_json(), *_shown(found))
    return found.exit_code


def _offline(file: Path, artifact: str, trust: Path, pin: str | None) -> Custody:
    named = "name the file that `tidegate evidence export` wrote"
    data = read_file(file, what="the evidence", limit=_MAX_FILE, next_step=named)
    with about(file):
        evidence = Evidence.parse(data)
    _check_subject(evidence, artifact)
    root = named_trust(trust, Digest.parse(pin) if pin else None)
    if pin is None:
        output.notice(f"trusting {root.workspace} by the file alone; pin it with --pin")
    with about(file):
        return verify_evidence(evidence, root, now=SystemClock().now())


def _check_subject(evidence: Evidence, artifact: str) -> None:
    if not artifact:
        return
    path = Path(artifact)
    digest = str(resolve(path).digest) if path.exists() else artifact
    if digest.startswith("sha256:") and digest != evidence.digest:
        raise ProofError(
            "the evidence is about another artifact",
            where=artifact,
            cause=f"it proves {evidence.digest[:19]}, this is {digest[:19]}",
            next_step="export the evidence of this artifact",
            slug="other-subject",
        )


def _shown(found: Custody) -> tuple[output.Part, ...]:
    table = output.Table(
        ("gate", "verdict", "artifact", "digest", "signer", "age", "log"),
        [
            (
                f"{step.stage.value}/{step.action}",
                step.outcome.value,
                step.name,
                step.digest[7:19],
                f"{step.signer} ({', '.join(step.roles) if len(step.roles) < 4 else 'all roles'})",  # noqa: PLR2004
                _age(step.age_s),
                str(step.index),
            )
            for step in found.steps
        ],
    )
    rows = [("sources", ", ".join(found.sources) or "none")]
    rows += [("broken", f"log {item.index}: {item.why}") for item in found.broken]
    rows += [("gap", gap) for gap in found.gaps]
    whole = "every link verifies" if found.exit_code == 0 else "NOT proved"
    return f"{found.name}  {found.kind}  {found.digest}", table, [*rows, ("result", whole)]


def _age(seconds: int) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "now"
