"""The code that runs: exported, digested, and tied to a commit where there is one.

Only what is exported is visible to the command, so the code that ran is the code that was
digested, and data that lies beside it is out of sight. With git, that is the tracked files; it is a
commit where their bytes are the ones that HEAD holds, else it is recorded as lower assurance.
Without git, it is the folder.
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.artifact.manifest import build_manifest
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import CheckError, SubjectError
from tidegate.gates.command.copying import copy_files

MAX_BYTES = 64 << 20
MAX_FILES = 20_000
_GIT_SECONDS = 60
_SHA1_DIGITS = 40
_LEFT_OUT = frozenset({".git", ".tidegate", ".venv", "venv", "node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Code:
    """Exported code."""

    path: Path
    """Where the export lies."""
    digest: Digest
    """Digest of the export's manifest."""
    commit: str | None
    """The commit that it is, where the tree is clean."""
    repository: str | None
    """The origin's address, without credentials."""
    how: str
    """``commit``, ``dirty`` (tracked files that differ from the commit) or ``folder``."""

    @property
    def pinned(self) -> bool:
        """Whether a commit says what ran."""
        return self.commit is not None

    def to_json(self) -> dict[str, Json]:
        """Return what is signed."""
        return {
            "digest": str(self.digest),
            "commit": self.commit,
            "repository": self.repository,
            "how": self.how,
        }


def export_code(folder: Path, destination: Path) -> Code:
    """Copy the code of a folder to a new place and digest it there.

    Raises:
        SubjectError: The folder does not exist, or is larger than code should be.
        CheckError: git failed.
    """
    if not folder.is_dir():
        raise SubjectError(
            "the code folder does not exist",
            where=str(folder),
            next_step="name it with --code",
            slug="no-code",
        )
    commit, how = None, "folder"
    tracked = _tracked(folder)
    if tracked is None:
        names = _files(folder)
        _check_size(folder, names)
        destination.mkdir()
        copy_files(folder, names, destination)
    else:
        head = _git(folder, "rev-parse", "--verify", "HEAD^{commit}")
        _check_size(folder, tracked)
        copy_files(folder, tracked, destination)
        # Held against the commit itself: what `git status` says can be switched off for a file,
        # was asked before the copy, and may run filters that the folder's configuration names.
        same = head is not None and _is_tree(folder, head, destination, tracked)
        commit, how = (head, "commit") if same else (None, "dirty")
    manifest = build_manifest(destination)
    return Code(destination, manifest.digest, commit, _repository(folder), how)


def _tracked(folder: Path) -> list[str] | None:
    """Return the tracked paths below a folder, or ``None`` where git knows nothing of it."""
    listed = _git(folder, "ls-files", "-z", "--cached", "--", ".")
    if not listed:
        return None
    return [name for name in listed.split("\0") if name and (folder / name).is_file()]


def _is_tree(folder: Path, commit: str, exported: Path, names: list[str]) -> bool:
    """Tell whether exported files are all that a commit holds below a folder, byte for byte."""
    listed = _git(folder, "ls-tree", "-r", "-z", commit, "--", ".")
    if listed is None:
        return False
    held: dict[str, str] = {}
    for line in filter(None, listed.split("\0")):
        facts, _, name = line.partition("\t")
        held[name] = facts.split(" ")[-1]
    return held.keys() == set(names) and all(
        _blob_id(exported / name, len(oid)) == oid for name, oid in held.items()
    )


def _blob_id(path: Path, digits: int) -> str:
    """Return the id under which git keeps a file's bytes, in SHA-1 or SHA-256 repositories."""
    data = path.read_bytes()
    body = b"blob %d\0" % len(data) + data
    if digits == _SHA1_DIGITS:
        return hashlib.sha1(body, usedforsecurity=False).hexdigest()
    return hashlib.sha256(body).hexdigest()


def _files(folder: Path) -> list[str]:
    """Return what lies below a folder and is code, with / between the parts, links unfollowed."""
    names: list[str] = []
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(folder / below) as found:
            for item in found:
                if item.name in _LEFT_OUT or item.name.endswith(".pyc"):
                    continue
                if item.is_dir(follow_symlinks=False):
                    pending.append(f"{below}{item.name}/")
                else:
                    names.append(f"{below}{item.name}")
        if len(names) + len(pending) > MAX_FILES:
            raise _too_large(folder)
    return sorted(names)


def _check_size(folder: Path, names: list[str]) -> None:
    total = sum((folder / name).lstat().st_size for name in names)
    if total > MAX_BYTES or len(names) > MAX_FILES:
        raise _too_large(folder)


def _too_large(folder: Path) -> SubjectError:
    return SubjectError(
        f"the code folder holds more than {MAX_BYTES >> 20} MiB or {MAX_FILES} files",
        where=str(folder),
        next_step="name the folder of the code alone with --code; data goes in with --input",
        slug="code-too-large",
    )


def _repository(folder: Path) -> str | None:
    address = _git(folder, "config", "--get", "remote.origin.url")
    if not address:
        return None
    scheme, separator, rest = address.partition("://")
    # A token in the address must not be signed into the log.
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else address


def _git(folder: Path, *arguments: str) -> str | None:
    """Return git's output, or ``None`` where there is no git or no repository."""
    git = shutil.which("git")
    if git is None:
        return None
    # Hooks, file system monitors, transports and the user's configuration could run programs:
    # switch them off. No command that is asked runs filters.
    off = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "protocol.allow=never")
    command = [git, *(part for setting in off for part in ("-c", setting))]
    environment = {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "PATH": "/usr/bin:/bin",
    }
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, no shell
            [*command, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CheckError(
            "git could not be asked about the code",
            where=str(folder),
            cause=str(error)[:100],
            slug="git",
        ) from None
    return done.stdout.decode("utf-8", "surrogateescape").strip() if done.returncode == 0 else None
