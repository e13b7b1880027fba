"""``tidegate image``: look at Dockerfiles and images, on disk or in a listed registry."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import images
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Reporting
from tidegate.config import Settings, load
from tidegate.core.finding import Severity
from tidegate.core.identity.keys import PublicKey
from tidegate.report import Report

app = App(name="image", help="Check what images stand on, hold, and are signed by.")


@app.command
def check(
    target: str,
    /,
    *,
    key: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    trusted: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    layers: Annotated[bool, Parameter(negative="--no-layers")] = True,
    options: Annotated[Reporting, FLAT] = Reporting(),
) -> int:
    """Check a Dockerfile, an OCI layout, each Dockerfile of a folder, or an image in a registry.

    Content is checked against its digests. With keys, the image needs a signature by one of them,
    as cosign writes it. A registry is only asked when images.registries lists it.

    Exits with 1 on a finding of medium severity or more, with 3 when there was nothing to check,
    and with 4 when something could not be told.

    Args:
        target: A path, or registry.example/name:tag.
        key: File with a public key whose signature counts; may be given several times.
        trusted: Count the keys of releasers in the workspace's trust root, too.
        layers: Read the layers and check them against their digests.
        options: How the result is shown.
    """
    settings = load(options.workspace, os.environ).settings
    keys = _keys(key, settings, options, trusted=trusted)
    with output.progress(f"checking {target}", quiet=options.quiet):
        if Path(target).exists() or target.startswith((".", "/")):
            found = images.check_place(Path(target), settings, keys=keys, layers=layers)
        else:
            found = _remote(target, settings, options.workspace, keys, layers=layers)
    report = Report.of_findings(
        f"image check {target}",
        found.findings,
        found.coverage,
        subjects=found.subjects,
        notes=found.notes,
        fail_on=Severity.MEDIUM if options.fail_on is None else options.fail_on,
    )
    return output.emit_report(report, options)


def _keys(
    given: tuple[Path, ...], settings: Settings, options: Reporting, *, trusted: bool
) -> tuple[PublicKey, ...]:
    configured = tuple(options.workspace / file for file in settings.images.keys)
    keys = images.read_keys((*given, *configured))
    if trusted:
        keys += images.releaser_keys(session.reading(options))
    return keys


def _remote(
    target: str, settings: Settings, root: Path, keys: tuple[PublicKey, ...], *, layers: bool
) -> images.ImageFindings:
    from tidegate.client.registry import Registry  # noqa: PLC0415 - httpx only when it is asked

    reference = images.permitted(target, settings)
    with Registry(reference, credentials=images.credentials(root, settings)) as registry:
        top = registry.resolve()
        return images.check_remote(registry, top, reference, settings, keys=keys, layers=layers)
