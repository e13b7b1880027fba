"""``tidegate evidence``: what proves an artifact, in one file."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.evidence import export_evidence
from tidegate.app.names import find_artifact
from tidegate.app.trust import read_chain, write_chain
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place

app = App(name="evidence", help="Export evidence that verifies offline.")


@app.command
def export(
    artifact: str,
    /,
    *,
    output_file: Annotated[Path, Parameter(name="--output")] = Path("evidence.json"),
    trust_file: Path | None = None,
    place: Annotated[Place, FLAT] = Place(),
) -> int:
    """Write everything that proves an artifact's chain into one file.

    Args:
        artifact: A path, a digest, NAME@VERSION or NAME/STAGE.
        output_file: The file to write.
        trust_file: Also write the trust root here, for who does not have it yet.
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    found = export_evidence(workspace, find_artifact(workspace, artifact))
    output.save(output_file, found.to_bytes().decode())
    trust = trust_file or workspace.home / "trust.json"
    if trust_file is not None:
        write_chain(trust_file, read_chain(workspace.home / "trust.json"))
    command = f"tidegate verify {output_file} --trust {trust} --pin {workspace.trust.digest}"
    output.emit_text(
        [
            ("evidence", f"{output_file} ({len(found.statements)} statements)"),
            ("about", found.digest),
            ("verify", command),
        ]
    )
    return 0
