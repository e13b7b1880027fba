"""``tidegate serve webhook``: the deploy gate of a cluster, from local evidence alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App

from tidegate.app.reading import about
from tidegate.app.trust import named_trust
from tidegate.cli.listening import announce, bound
from tidegate.cli.options import FLAT, Flag, Showing, Texts
from tidegate.core.clock import DAY, Micros, SystemClock
from tidegate.core.digest import Digest
from tidegate.core.errors import RemoteError, SubjectError, UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tidegate.admission.settings import AdmissionSettings
    from tidegate.gateway.server import Tls

app = App(name="webhook", help="Admit to a cluster only what was released.")

_HEADERS = 16_384
_CONNECTIONS = 512
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@app.default
def run(
    releases: Path,
    /,
    *,
    trust: Path,
    pin: str,
    certificate: Path | None = None,
    key: Path | None = None,
    listen: str = "127.0.0.1:8443",
    spool: Path = Path("admission-spool"),
    warn: Flag = False,
    exempt: Texts = (),
    image: Texts = (),
    scheme: Texts = (),
    break_glass: Texts = (),
    release_days: int = 30,
    refuse_old: Flag = False,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Answer AdmissionReview v1 until stopped: TLS, no workspace, no connection of its own.

    JSON: `serving`, the folder of releases; `mode`, `url`. It is written when the server listens.

    Args:
        releases: Folder with the files of `serve check --release`, `registry promote --release`
            and `serve recalls`.
        trust: The trust root file.
        pin: The digest of its first version, as `tidegate init` showed it.
        certificate: The server's certificate (PEM). Without one, only on a loopback address.
        key: Its key (PEM).
        listen: Address and port.
        spool: Folder where admissions by break-glass are recorded.
        warn: Let everything in, and warn of what would be refused.
        exempt: A namespace in which nothing is refused, beside the system's; several times.
        image: A glob of container images that need a release, too; several times.
        scheme: A further URI scheme that models may come from; several times.
        break_glass: A group whose members may let an object in with a reason; several times.
        release_days: From which age on a release is told to be old.
        refuse_old: Refuse what has only an old release.
        showing: How the start is told.
    """
    from tidegate.admission.compose import create_admission  # noqa: PLC0415 - an extra
    from tidegate.admission.settings import AdmissionSettings, Mode  # noqa: PLC0415 - same

    if not releases.is_dir():
        raise SubjectError(
            "there is no folder of releases here",
            where=str(releases),
            next_step="name the folder that release files are put into",
            slug="no-such-folder",
        )
    with about(trust):
        root = named_trust(trust, Digest.parse(pin))
    plain = AdmissionSettings(releases=releases, trust=root, spool=spool)
    settings = AdmissionSettings(
        releases=releases,
        trust=root,
        spool=spool,
        mode=Mode.WARN if warn else Mode.ENFORCE,
        exempt=plain.exempt | set(exempt),
        images=image,
        schemes=plain.schemes | set(scheme),
        max_age=Micros(release_days * DAY),
        refuse_old=refuse_old,
        break_glass=frozenset(break_glass),
    )
    tls = _tls(listen, certificate, key)
    return _serve(create_admission(settings, SystemClock()), settings, listen, tls, showing)


def _tls(listen: str, certificate: Path | None, key: Path | None) -> "Tls | None":
    from tidegate.gateway.server import Tls  # noqa: PLC0415 - an extra

    if (certificate is None) != (key is None):
        raise UsageError(
            "a certificate and its key belong together",
            next_step="give --certificate and --key",
            slug="certificate",
        )
    if certificate is not None and key is not None:
        return Tls(certificate, key)
    if listen.rpartition(":")[0].strip("[]") not in _LOOPBACK:
        raise UsageError(
            "the API server speaks TLS to webhooks",
            where=listen,
            next_step="give --certificate and --key, or listen on a loopback address",
            slug="certificate",
        )
    return None


def _serve(
    application: "ASGIApp",
    settings: "AdmissionSettings",
    listen: str,
    tls: "Tls | None",
    showing: Showing,
) -> int:
    from tidegate.gateway.server import server  # noqa: PLC0415 - an extra

    with bound(listen, "http" if tls is None else "https") as (opened, url):
        running = server(
            application,
            *opened.getsockname()[:2],
            headers=_HEADERS,
            connections=_CONNECTIONS,
            tls=tls,
        )
        mode = settings.mode.value
        facts = {"serving": str(settings.releases), "mode": mode, "url": url}
        announce(showing, f"releases of {settings.releases} ({mode})", facts)
        running.run(sockets=[opened])
    return 0 if running.started else RemoteError.exit_code
