"""``tidegate serve inventory``: what runs, against what was registered."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.admission.inventory import compare
from tidegate.admission.running import MAX_BYTES, read_running
from tidegate.app.inventory import registry_of
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, LIST, Reporting
from tidegate.core.errors import SubjectError
from tidegate.core.finding import Coverage, Severity
from tidegate.report import Report


def inventory(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    image: Annotated[tuple[str, ...], LIST] = (),
    options: Annotated[Reporting, FLAT] = Reporting(),
) -> int:
    """Compare what runs with what was registered: rogue, recalled, unreleased, outdated models.

    Takes a list, one JSON object a line (uri, digest, name, where), or what `kubectl get pods -A
    -o json` writes; of a cluster's objects, each place that names a model, as the admission webhook
    finds them. Exits with 1 on a finding of medium severity or more, 3 where nothing runs, 4 where
    a line or an object could not be read.

    Args:
        file: What was found; or - for standard input.
        image: A shell pattern of container images that hold models; may be given several times.
        options: Where the workspace is, and how the result is shown.
    """
    found = read_running(_read(file), images=image)
    findings = compare(found.models, registry_of(session.reading(options)))
    examined = len(found.models)
    report = Report.of_findings(
        f"serve inventory {file}",
        findings,
        Coverage(examined + len(found.unread), examined, failed=found.unread, unit="model"),
        fail_on=Severity.MEDIUM if options.fail_on is None else options.fail_on,
    )
    return output.emit_report(report, options)


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SubjectError(
            "the inventory can't be read",
            where=str(file),
            cause=error.strerror,
            next_step="name a file, or - for standard input",
            slug="bad-inventory",
        ) from None
