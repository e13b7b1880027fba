"""Alerts: what a person or another system has to hear of, as CloudEvents 1.0.

An event is written to a file first and posted second, so that none is lost when the other side is
away. Format: CloudEvents 1.0.2, structured mode, JSON event format.

>>> alert = Alert("drift", Severity.HIGH, "sha256:00", "traffic left the reference", "ws-1", 0, 7)
>>> event = alert.to_event()
>>> event["specversion"], event["type"], event["source"], event["data"]["logIndex"]
('1.0', 'tidegate.alert.drift.v1', '/tidegate/ws-1', 7)
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tidegate.core.canonical import Json, dumps
from tidegate.core.clock import iso
from tidegate.core.decision import CheckOutcome, Decision
from tidegate.core.digest import sha256
from tidegate.core.errors import RemoteError, UsageError
from tidegate.core.finding import Severity
from tidegate.detect.drift.rules import RULES as DRIFT_RULES

CONTENT_TYPE = "application/cloudevents+json"
MOST_FINDINGS = 20
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that happened to an entity, and where the proof stands."""

    type: str
    """What happened, in one word: ``drift``."""
    severity: Severity
    entity: str
    """Digest of the artifact that it is about."""
    message: str
    workspace: str
    """Id of the workspace whose ledger proves it."""
    time: int
    """Microseconds since the epoch, UTC."""
    index: int | None = None
    """Log index of the verdict."""
    atlas: tuple[str, ...] = ()
    """MITRE ATLAS technique ids."""
    evidence: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Measured facts; no floats."""

    @property
    def id(self) -> str:
        """The same for the same alert, so that a receiver can drop repetitions."""
        return sha256(dumps(self._data())).hex[:32]

    def to_event(self) -> dict[str, Json]:
        """Return the CloudEvent."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": f"/tidegate/{self.workspace}",
            "type": f"tidegate.alert.{self.type}.v1",
            "subject": self.entity,
            "time": iso(self.time),
            "datacontenttype": "application/json",
            "data": self._data(),
        }

    def _data(self) -> dict[str, Json]:
        return {
            "severity": self.severity.label,
            "entity": self.entity,
            "message": self.message,
            "time": self.time,
            "logIndex": self.index,
            "atlas": list(self.atlas),
            "evidence": dict(self.evidence),
        }


def drift_alert(decision: Decision, *, workspace: str, time: int) -> Alert | None:
    """Return the alert of a monitor decision, or nothing where no drift was found.

    It is raised by the sequential test, and by a column whose distance alone is over its limit.
    """
    found = next((check for check in decision.checks if check.id == "drift"), None)
    known = {rule.id: rule for rule in DRIFT_RULES}
    drifts = [] if found is None else [item for item in found.findings if item.rule in known]
    if found is None or not drifts:
        return None
    worst = max(drifts, key=lambda item: item.severity)
    atlas = dict.fromkeys(name for item in drifts for name in known[item.rule].atlas)
    return Alert(
        "drift",
        worst.severity,
        decision.subjects[0].digest,
        worst.message,
        workspace,
        time,
        decision.index,
        tuple(atlas),
        {
            "model": decision.subjects[0].name,
            "outcome": decision.outcome.value,
            "envelope": decision.envelope,
            "facts": _overall(found),
            "findings": [item.to_json() for item in drifts[:MOST_FINDINGS]],
        },
    )


def _overall(check: CheckOutcome) -> dict[str, Json]:
    return {name: value for name, value in check.facts.items() if "_of_" not in name}


def record(event: Mapping[str, Json], path: Path) -> None:
    """Append an event to a JSON Lines file, durably.

    Raises:
        UsageError: The file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(dumps(event) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(
            "the event can't be written",
            where=str(path),
            cause=error.strerror,
            next_step="name a file in a folder that can be written",
            slug="event-file",
        ) from None


def post(event: Mapping[str, Json], url: str, *, kept: Path) -> None:
    """Post an event in structured mode; no redirect is followed.

    Args:
        event: What :meth:`Alert.to_event` gave.
        url: Where to.
        kept: The file that holds it already; the error names it.

    Raises:
        RemoteError: It was not taken, or no HTTP client is installed. It stays in the file.
    """
    try:
        import httpx  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise _lost(url, kept, "httpx is not installed") from None
    try:
        answer = httpx.post(
            url, content=dumps(event), headers={"content-type": CONTENT_TYPE}, timeout=_SECONDS
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _lost(url, kept, type(error).__name__) from None
    if not answer.is_success:
        raise _lost(url, kept, f"it answered {answer.status_code}")


def is_url(target: str) -> bool:
    """Tell a web address from a file name."""
    return target.startswith(("http://", "https://"))


def _lost(url: str, kept: Path, cause: str) -> RemoteError:
    return RemoteError(
        "the event was not delivered",
        where=urlsplit(url).hostname or "the address",  # the rest may hold a token
        cause=cause,
        next_step=f"it is kept in {kept}; post that line again",
        slug="event-not-delivered",
    )
