"""The two files of monitoring: the frozen profile, and the sequential test's state.

Both are canonical JSON, so the digest of the file is the digest of the content, and a file that
was formatted anew is another file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import UnreadableSubject, UsageError, VerificationError
from tidegate.detect.drift.edetector import EDetector
from tidegate.detect.drift.profile import Profile

MAX_BYTES = 64 << 20
STATE_SCHEMA = "drift-state/v1"


def read_profile(path: Path) -> Profile:
    """Read a profile that :func:`write_profile` wrote.

    Raises:
        UnreadableSubject: It can't be read.
        VerificationError: It is no profile, or not in canonical form.
    """
    data = _read(path)
    profile = Profile.from_json(loads(data, what="the profile", limit=MAX_BYTES))
    if profile.digest != sha256(data):
        raise VerificationError(
            "the profile is not in canonical form",
            where=str(path),
            next_step="use the file that `tidegate monitor profile` wrote, unchanged",
            slug="bad-profile",
        )
    return profile


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile into a new file, so that the file's digest is the profile's.

    Raises:
        UsageError: The file exists, or can't be written.
    """
    try:
        with path.open("xb") as file:
            file.write(dumps(profile.to_json()))
    except OSError as error:
        raise UsageError(
            "the profile can't be written",
            where=str(path),
            cause=error.strerror,
            next_step="name a new file with --output",
            slug="profile-output",
        ) from None


@dataclass(frozen=True, slots=True)
class State:
    """Where a sequential test stands, and whose it is."""

    model: str
    profile: str
    test: EDetector

    def to_bytes(self) -> bytes:
        """Return the canonical form."""
        body: dict[str, Json] = {
            "schema": STATE_SCHEMA,
            "model": self.model,
            "profile": self.profile,
            "test": self.test.to_json(),
        }
        return dumps(body)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            VerificationError: It is no state.
        """
        value = loads(data, what="the drift state", limit=MAX_BYTES)
        if not isinstance(value, Mapping) or value.get("schema") != STATE_SCHEMA:
            raise VerificationError("not the state of a drift test", slug="bad-drift-state")
        test = value.get("test")
        if not isinstance(test, Mapping):
            raise VerificationError("not the state of a drift test", slug="bad-drift-state")
        return cls(str(value.get("model")), str(value.get("profile")), EDetector.from_json(test))


@dataclass(frozen=True, slots=True)
class StateFile:
    """A state on disk, moved on only after the statement about it stands in the log.

    The next state is written beside the present one first. After a crash in between, the one that
    the log names is the one that counts.
    """

    path: Path

    @property
    def next(self) -> Path:
        """Where the next state waits."""
        return self.path.with_name(f"{self.path.name}.next")

    def find(self, digest: str) -> bytes | None:
        """Return the bytes that have a digest, present or waiting; nothing if neither has."""
        for path in (self.path, self.next):
            if path.is_file():
                data = _read(path)
                if str(sha256(data)) == digest:
                    return data
        return None

    def prepare(self, data: bytes) -> Digest:
        """Write the next state and return its digest."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.next.write_bytes(data)
        except OSError as error:
            raise UsageError(
                "the drift state can't be written",
                where=str(self.next),
                cause=error.strerror,
                next_step="name a file in a folder that can be written with --state",
                slug="drift-state",
            ) from None
        return sha256(data)

    def commit(self) -> None:
        """Make the next state the present one."""
        if self.next.is_file():
            self.next.replace(self.path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableSubject(
            "it can't be read",
            where=str(path),
            cause=error.strerror,
            next_step="check the path and its permissions",
            slug="unreadable",
        ) from None
