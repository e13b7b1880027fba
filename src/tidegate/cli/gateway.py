"""``tidegate serve gateway``: stand in front of a verified model, and keep the callers' keys."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App

from tidegate.cli import output, session
from tidegate.cli.listening import announce, bound
from tidegate.cli.options import FLAT, Flag, Place, Reading, Showing, Text
from tidegate.config import Settings, load
from tidegate.core.clock import DAY, SECOND, Micros, SystemClock
from tidegate.core.digest import Digest
from tidegate.core.errors import ConfigError, RemoteError, SubjectError, UsageError
from tidegate.core.identity.trust import Revocation, TrustRoot

if TYPE_CHECKING:
    from tidegate.gateway.keys import Keyring
    from tidegate.gateway.provenance import Deployment
    from tidegate.gateway.settings import GatewaySettings

app = App(name="gateway")

_MAX_KEY = 4_096


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a deployment's evidence is judged by."""

    trust: TrustRoot
    revocations: tuple[Revocation, ...]
    digest: Digest


@app.default
def run(
    deployment: str,
    /,
    *,
    release: Path,
    model: str | None = None,
    upstream_model: Text = "",
    reading: Annotated[Reading, FLAT] = Reading(),
    trust: Path | None = None,
    pin: str | None = None,
    spool: Path | None = None,
    upstream_key_file: Path | None = None,
    annotate: Flag = False,
    release_hours: int = 24,
) -> int:
    """Stand in front of a verified model until stopped: keys, limits, input check, provenance.

    Refuses to start unless the release verifies, is about the deployed digest, PASSED and fresh;
    stops serving when that ends.

    JSON: `serving`, the model's name; `digest`, `url`. It is written when the server listens.

    Args:
        deployment: A digest, NAME@VERSION or a deployment NAME/STAGE.
        release: The file that `tidegate serve check --release` wrote.
        model: The name that callers use; the deployment's first part where not given.
        upstream_model: The model server's own name for it, where it differs.
        reading: Where the workspace and its configuration are, and how the start is told.
        trust: A trust root file, to run without a workspace; the deployment is a digest then.
        pin: The digest of the trust root's first version, needed with --trust.
        spool: Folder for events; .tidegate/spool otherwise. One gateway process each.
        upstream_key_file: File with the key that the model server itself wants.
        annotate: Let flagged requests through, and name the rules in a response header.
        release_hours: How old the release may be.
    """
    from tidegate.gateway.compose import create_gateway  # noqa: PLC0415 - an extra
    from tidegate.gateway.provenance import Deployment, Provenance  # noqa: PLC0415 - same
    from tidegate.gateway.server import server  # noqa: PLC0415 - same
    from tidegate.gateway.settings import Mode  # noqa: PLC0415 - same

    settings = load(reading.workspace, os.environ).settings
    ground = _ground(reading, deployment, trust, pin)
    named = Deployment(
        model or _name(deployment),
        ground.digest,
        release,
        max_age=Micros(release_hours * DAY // 24),
        upstream_model=upstream_model,
    )
    clock = SystemClock()
    Provenance(named, ground.trust, clock, revocations=ground.revocations).check()
    mode = Mode.ANNOTATE if annotate else Mode.BLOCK
    given = replace(
        _settings(settings, named, ground, reading.workspace),
        mode=mode,
        spool=spool or reading.workspace / ".tidegate" / "spool",
        upstream_headers=_upstream_key(upstream_key_file),
    )
    gateway = create_gateway(given, clock)
    with bound(settings.gateway.listen) as (opened, url):
        running = server(
            gateway,
            *opened.getsockname()[:2],
            headers=given.limits.headers,
            connections=4 * given.limits.concurrent,
        )
        facts = {"serving": named.model, "digest": str(ground.digest), "url": url}
        announce(reading, f"{named.model} ({ground.digest.short})", facts)
        running.run(sockets=[opened])
    return 0 if running.started else RemoteError.exit_code


@app.command
def key(
    name: str,
    /,
    *,
    file: Path | None = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Make a key for a caller; it is shown once and kept nowhere.

    JSON: `name`; `key`, which is secret; `line`, what accepts it in a key file; `file`, where that
    was written, or null.

    Args:
        name: The caller: lower-case letters, digits, dashes. A name may have several keys.
        file: The key file (gateway.token_file) to accept it in; else its line is shown.
        showing: How the answer is shown.
    """
    from tidegate.gateway.keys import key_line, new_key  # noqa: PLC0415 - keeps help light

    token = new_key(name)
    line = key_line(name, token)
    if file is not None:
        _append(file, line)
        output.notice(f"accepted in {file}; the key is shown this once")
    elif not showing.as_json:
        output.notice(f"accept it with this line of the key file:\n{line.rstrip()}")
    facts = {"name": name, "key": token, "line": line.rstrip(), "file": file and str(file)}
    output.emit(showing, facts, token)
    return 0


@app.command
def events(folder: Path, /, *, showing: Annotated[Showing, FLAT] = Showing()) -> int:
    """Check a spool of events, and count what is in it.

    JSON: `events`, how many; `counts`, by kind and outcome; `gaps`, in the chain.

    Args:
        folder: The spool.
        showing: How the answer is shown.
    """
    from tidegate.gateway.spool_read import read_spool  # noqa: PLC0415 - keeps help light

    try:
        contents = read_spool(folder)
    except OSError as error:
        raise SubjectError(
            "the spool can't be read",
            where=str(folder),
            cause=error.strerror,
            next_step="name the folder that --spool named",
            slug="no-spool",
        ) from None
    counts: dict[str, int] = {}
    for item in contents.events:
        said = f"{item.event.get('kind')} {item.event.get('outcome', '')}".strip()
        counts[said] = counts.get(said, 0) + 1
    gaps = [f"{gap.segment}: {gap.why} after event {gap.after}" for gap in contents.gaps]
    table = output.Table(("event", "count"), list(counts.items()), "no events")
    chain = [("gap", gap) for gap in gaps] or [("chain", "whole")]
    facts = {"events": len(contents.events), "counts": counts, "gaps": gaps}
    output.emit(showing, facts, table, chain)
    return 5 if gaps else 0 if contents.events else 3


def _ground(place: Place, deployment: str, trust: Path | None, pin: str | None) -> _Ground:
    from tidegate.app.names import find_artifact  # noqa: PLC0415 - the store is not needed with --trust
    from tidegate.app.trust import read_trust  # noqa: PLC0415 - same
    from tidegate.graph.acts import revocations  # noqa: PLC0415 - same

    if trust is not None:
        if pin is None:
            raise UsageError(
                "a trust root file alone proves nothing",
                where=str(trust),
                next_step="give --pin the digest that `tidegate init` showed",
                slug="no-pin",
            )
        return _Ground(read_trust(trust, Digest.parse(pin)), (), Digest.parse(deployment))
    workspace = session.reading(place)
    digest = Digest.parse(find_artifact(workspace, deployment))
    return _Ground(workspace.trust, revocations(workspace.directives()), digest)


def _settings(
    settings: Settings,
    deployment: "Deployment",
    ground: _Ground,
    root: Path,
) -> "GatewaySettings":
    from tidegate.gateway.settings import GatewaySettings, Limits  # noqa: PLC0415 - an extra

    wanted = settings.gateway
    if wanted.upstream is None:
        raise ConfigError(
            "no model server is named",
            where="gateway.upstream",
            next_step="set gateway.upstream in tidegate.toml to its base URL",
            slug="no-upstream",
        )
    return GatewaySettings(
        upstream=wanted.upstream,
        deployment=deployment,
        trust=ground.trust,
        callers=_callers(settings, root),
        spool=root / ".tidegate" / "spool",
        revocations=ground.revocations,
        limits=Limits(
            requests_per_minute=wanted.requests_per_minute,
            burst=wanted.burst,
            body=int(wanted.max_body),
            timeout_s=int(wanted.timeout) / SECOND,
        ),
    )


def _callers(settings: Settings, root: Path) -> "Path | Keyring":
    from tidegate.gateway.keys import SHARED, Keyring, key_line  # noqa: PLC0415 - an extra

    wanted = settings.gateway
    if wanted.token_file is not None:
        return root / wanted.token_file
    if wanted.token is not None:
        return Keyring.parse(key_line(SHARED, wanted.token))
    raise ConfigError(
        "nobody may call: no key file and no token is set",
        where="gateway.token_file",
        next_step="make keys with `tidegate serve gateway key NAME --file callers`, and set it",
        slug="no-callers",
    )


def _upstream_key(file: Path | None) -> dict[str, str] | None:
    if file is None:
        return None
    try:
        with file.open("r", encoding="ascii") as opened:
            key = opened.read(_MAX_KEY).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the model server's key can't be read",
            where=str(file),
            cause=getattr(error, "strerror", None) or "it is not ASCII",
            next_step="name a file with nothing but the key",
            slug="upstream-key",
        ) from None
    return {"authorization": f"Bearer {key}"}


def _name(deployment: str) -> str:
    name = deployment.partition("@")[0].partition("/")[0]
    if ":" in name:
        raise UsageError(
            "a digest has no name",
            next_step="give --model the name that callers use",
            slug="no-model-name",
        )
    return name


def _append(file: Path, line: str) -> None:
    try:
        fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "a", encoding="utf-8") as opened:
            opened.write(line)
    except OSError as error:
        raise UsageError(
            "the key file can't be written",
            where=str(file),
            cause=error.strerror,
            next_step="name a file in a folder that you can write",
            slug="key-file",
        ) from None
