"""``tidegate serve released``: are these bytes what was released? For init containers."""

from pathlib import Path
from typing import Annotated

from tidegate.app.reading import about, read_file
from tidegate.app.trust import named_trust
from tidegate.cli import output
from tidegate.cli.options import FLAT, Showing
from tidegate.core.clock import DAY, Micros, SystemClock, iso
from tidegate.core.digest import Digest
from tidegate.interop.proved import MAX_BYTES, Proved
from tidegate.interop.release import Recalls, check_released, read_recalls, read_release


def released(
    path: Path,
    /,
    *,
    release: Path,
    trust: Path,
    pin: str,
    recalls: Path | None = None,
    days: int | None = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Hash files and hold them against a release: needs no workspace, no key and no network.

    Exits with 0 only when every byte is what was released; with 5 else, and nothing should be
    loaded.

    JSON: `name`, `digest`, `resource`, `index`, `time`, `signers`.

    Args:
        path: The model that was downloaded.
        release: The file of `serve check --release` or `registry promote --release`.
        trust: The trust root file.
        pin: The digest of its first version, as `tidegate init` showed it.
        recalls: The file of `serve recalls`; what it names is refused.
        days: How old the release may be; any age without it.
        showing: How the answer is shown.
    """
    with about(trust):
        root = named_trust(trust, Digest.parse(pin))
    now = SystemClock().now()
    gone = Recalls(frozenset())
    if recalls is not None:
        with about(recalls):
            gone = read_recalls(_read(recalls), root, now=now)
    with about(release):
        found = read_release(
            _read(release),
            root,
            now=now,
            max_age=None if days is None else Micros(days * DAY),
            revocations=gone.revocations,
        )
    check_released(path, found, gone)
    facts = {
        "name": found.name,
        "digest": str(found.digest),
        "resource": found.resource,
        "index": found.index,
        "time": iso(found.time),
        "signers": list(found.signers),
    }
    said = f"log {found.index}, {', '.join(found.signers)}, {iso(found.time)}"
    output.emit(showing, facts, [(found.name, str(found.digest)), ("released", said)])
    return 0


def _read(file: Path) -> Proved:
    named = "name a file that `tidegate serve check --release` wrote"
    return Proved.parse(read_file(file, what="the release", limit=MAX_BYTES, next_step=named))
