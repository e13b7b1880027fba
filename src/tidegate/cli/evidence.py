"""``tidegate evidence``: what proves an artifact, in one file."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.evidence import export_evidence
from tidegate.app.names import find_artifact
from tidegate.app.trust import CHAIN, read_chain, write_chain
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Reading, Target

app = App(name="evidence", help="Export evidence that verifies offline.")


@app.command
def export(
    artifact: str,
    /,
    *,
    output_file: Annotated[Target, Parameter(name="--output")] = Path("evidence.json"),
    trust_file: Path | None = None,
    reading: Annotated[Reading, FLAT] = Reading(),
) -> int:
    """Write everything that proves an artifact's chain into one file.

    JSON: `file`, `digest`, `statements`, how many; `trust`, `pin`, `verify`, the command.

    Args:
        artifact: A path, a digest, NAME@VERSION or NAME/STAGE.
        output_file: The file to write; - is standard output.
        trust_file: Also write the trust root here, for who does not have it yet.
        reading: Where the workspace is, and how the answer is shown.
    """
    output.check_target(reading, output_file)
    workspace = session.reading(reading)
    found = export_evidence(workspace, find_artifact(workspace, artifact))
    trust = trust_file or workspace.home / CHAIN
    if trust_file is not None:
        write_chain(trust_file, read_chain(workspace.home / CHAIN))
    pin = str(workspace.trust.digest)
    named = "EVIDENCE" if output.is_stdout(output_file) else output_file
    command = f"tidegate verify {named} --trust {trust} --pin {pin}"
    facts = {
        "digest": found.digest,
        "statements": len(found.statements),
        "trust": str(trust),
        "pin": pin,
        "verify": command,
    }
    rows = [
        ("evidence", f"{output_file} ({len(found.statements)} statements)"),
        ("about", found.digest),
        ("verify", output.Whole(command)),
    ]
    output.emit_document(reading, found.to_bytes().decode(), output_file, facts, rows)
    if output.is_stdout(output_file):
        output.notice(f"verify it with: {command}")
    return 0
