"""What evidence says of a model that another program's registry is about to take, name or hand out.

Two sources give the same answers: a workspace (its ledger, verified now) and a folder of release
and recall files. Both fail closed: no word is a refusal, and so is evidence that can't be read.

::

    evidence = open_evidence(plugin_settings(os.environ))
    evidence.admitted(digest, "tumour")
    evidence.promoted(digest, "tumour", "prod")
"""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidegate.admission.shelf import Shelf, ShelfReader
from tidegate.app.release import recalls
from tidegate.app.trust import named_trust
from tidegate.app.workspace import HOME, Workspace
from tidegate.config import load
from tidegate.config.model import EvidenceFrom, MLflow
from tidegate.core.clock import SystemClock
from tidegate.core.digest import Digest
from tidegate.core.errors import ConfigError, ProofError, SubjectError, UnreadableSubject
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.chain import PROMOTE
from tidegate.interop.release import Release

FOLDER = "TIDEGATE_FOLDER"
"""The environment variable that names the folder of ``tidegate.toml``."""
_ADMIT = "admit"


class ModelEvidence(Protocol):
    """Answers with the name under which evidence knows a model, or raises."""

    def admitted(self, digest: Digest, name: str | None) -> str:
        """Return the version or release of this name that these bytes are.

        Args:
            digest: Of the model's files.
            name: The model's name; any where ``None``.

        Raises:
            SubjectError: They were never admitted.
            ProofError: They are held, or were revoked.
            TidegateError: The evidence can't be read or does not verify.
        """
        ...

    def promoted(self, digest: Digest, name: str, stage: str) -> str:
        """Return ``NAME/STAGE`` where that means these bytes now.

        Raises:
            SubjectError: It means others, or nothing.
            ProofError: They are held, or were revoked.
            TidegateError: The evidence can't be read or does not verify.
        """
        ...

    def meaning(self, reference: str) -> Digest:
        """Return what ``NAME@VERSION`` or ``NAME/STAGE`` means.

        Raises:
            SubjectError: Nothing.
            TidegateError: The evidence can't be read or does not verify.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plug-in of another program is told."""

    folder: Path
    """Where ``tidegate.toml`` and the workspace are."""
    settings: MLflow

    @property
    def believes_server(self) -> bool:
        """Whether the registry server's word is enough."""
        return self.settings.evidence is EvidenceFrom.SERVER


def plugin_settings(environ: Mapping[str, str]) -> Plugin:
    """Read the configuration of the folder that the environment names, or of the present one.

    Raises:
        ConfigError: It can't be read, or is wrong.
    """
    folder = Path(environ.get(FOLDER) or Path.cwd()).absolute()
    return Plugin(folder, load(folder, environ).settings.mlflow)


def open_evidence(plugin: Plugin) -> ModelEvidence:
    """Return the evidence that the configuration names.

    Raises:
        ConfigError: It names none, one that lacks its trust root, or there is no workspace.
        TidegateError: The trust root can't be read.
    """
    settings = plugin.settings
    if settings.evidence is EvidenceFrom.SERVER:
        raise ConfigError(
            "the registry has no evidence of its own to go by",
            where="mlflow.evidence",
            next_step="set it to workspace or releases; server is for clients that download",
            slug="no-evidence",
        )
    if settings.evidence is EvidenceFrom.WORKSPACE:
        if not (plugin.folder / HOME).is_dir():
            raise ConfigError(
                "there is no workspace here to ask",
                where=str(plugin.folder),
                next_step=f"set {FOLDER} to the workspace's folder, or mlflow.evidence to releases",
                slug="no-evidence",
            )
        return WorkspaceEvidence(plugin.folder)
    if settings.releases is None or settings.trust is None or settings.pin is None:
        raise ConfigError(
            "a folder of releases needs the trust root that they are verified with",
            where="mlflow.releases",
            next_step="set mlflow.releases, mlflow.trust and mlflow.pin",
            slug="no-evidence",
        )
    trust = named_trust(plugin.folder / settings.trust, Digest.parse(settings.pin))
    folder = plugin.folder / settings.releases
    return ReleaseEvidence(folder, ShelfReader(folder, trust, SystemClock()))


@dataclass(frozen=True, slots=True)
class WorkspaceEvidence:
    """The ledger's answer: the names in force, and the registry gate's words behind them."""

    root: Path

    def admitted(self, digest: Digest, name: str | None) -> str:
        """Return ``NAME@VERSION``."""
        with self._open() as workspace:
            state = workspace.directives()
            _check_held(digest, recalls(workspace).digests)
            found = next(_versions(state, digest, name), None)
            if found is None:
                raise _never_admitted(digest, name)
            _check_words(workspace, digest, _ADMIT)
            return found

    def promoted(self, digest: Digest, name: str, stage: str) -> str:
        """Return ``NAME/STAGE``."""
        alias = f"{name}/{stage}"
        with self._open() as workspace:
            meant = workspace.directives().resolve(alias)
            _check_held(digest, recalls(workspace).digests)
            if meant != str(digest):
                raise _not_promoted(digest, alias, meant)
            _check_words(workspace, digest, _ADMIT)
            _check_words(workspace, digest, PROMOTE)
            return alias

    def meaning(self, reference: str) -> Digest:
        """Return what a name means."""
        with self._open() as workspace:
            meant = workspace.directives().resolve(reference)
        if meant is None:
            raise _no_meaning(reference)
        return Digest.parse(meant)

    @contextmanager
    def _open(self) -> Generator[Workspace]:
        # Anew for each question: what was revoked, rotated or rolled back a moment ago counts.
        workspace = Workspace.open(self.root, environ=os.environ)
        try:
            yield workspace
        finally:
            workspace.engine.dispose()


@dataclass(frozen=True, slots=True)
class ReleaseEvidence:
    """The answer of release and recall files; a file that does not verify lets nothing in."""

    folder: Path
    reader: ShelfReader

    def admitted(self, digest: Digest, name: str | None) -> str:
        """Return ``NAME/STAGE`` of the release."""
        shelf = self._shelf()
        _check_held(digest, shelf.recalled)
        for release in _releases(shelf):
            if release.digest == digest and name in (None, release.name.partition("/")[0]):
                return release.name
        raise self._told(_never_released(digest, name), shelf)

    def promoted(self, digest: Digest, name: str, stage: str) -> str:
        """Return ``NAME/STAGE`` of the release."""
        alias, shelf = f"{name}/{stage}", self._shelf()
        _check_held(digest, shelf.recalled)
        named = [release for release in _releases(shelf) if release.name == alias]
        if any(release.digest == digest for release in named):
            return alias
        meant = str(named[0].digest) if named else None
        raise self._told(_not_promoted(digest, alias, meant), shelf)

    def meaning(self, reference: str) -> Digest:
        """Return the digest of the newest release of a name."""
        shelf = self._shelf()
        for release in _releases(shelf):
            if release.name == reference:
                _check_held(release.digest, shelf.recalled)
                return release.digest
        raise self._told(_no_meaning(reference), shelf)

    def _shelf(self) -> Shelf:
        if not self.folder.is_dir():
            raise UnreadableSubject(
                "the folder of releases can't be read",
                where=str(self.folder),
                next_step="mount or sync it, and make it readable for this user",
                slug="unreadable",
            )
        return self.reader.shelf()

    @staticmethod
    def _told(error: SubjectError, shelf: Shelf) -> SubjectError:
        """Let a refusal tell of files that may be the missing evidence, and can't be used."""
        if shelf.troubles:
            first = shelf.troubles[0]
            error.cause = f"{len(shelf.troubles)} files can't be used; {first.file}: {first.why}"
        return error


def _versions(state: DirectiveState, digest: Digest, name: str | None) -> Iterator[str]:
    for alias, history in sorted(state.aliases.items()):
        called, version, _ = alias.partition("@")
        if version and history[-1].digest == str(digest) and name in (None, called):
            yield alias


def _releases(shelf: Shelf) -> list[Release]:
    """Return the releases, the newest first."""
    found = {*shelf.by_resource.values(), *shelf.by_digest.values()}
    return sorted(found, key=lambda release: -release.index)


def _check_held(digest: Digest, recalled: frozenset[str]) -> None:
    if str(digest) in recalled:
        raise ProofError(
            "the model was recalled",
            where=digest.short,
            cause="it, or what it was made from, is in quarantine or revoked",
            next_step="take another version; `tidegate verify` says why",
            slug="recalled",
        )


def _check_words(workspace: Workspace, digest: Digest, action: str) -> None:
    """Check that the registry gate's newest word of an action on a model is a yes that verifies."""
    chain = workspace.chains().read([str(digest)])
    broken = [item for item in chain.broken if item.digest == str(digest)]
    words = [
        link for link in chain.words(Stage.REGISTRY, str(digest)) if link.gate.gate.action == action
    ]
    if broken or not words or words[0].gate.outcome is not Outcome.ALLOW:
        raise ProofError(
            f"no word of the registry gate stands behind this model ({action})",
            where=digest.short,
            cause=broken[0].why if broken else None,
            next_step=f"see `tidegate verify {digest}`",
            slug="no-word",
        )


def _never_admitted(digest: Digest, name: str | None) -> SubjectError:
    return SubjectError(
        "these bytes were never admitted" + (f" as {name}" if name else ""),
        where=digest.short,
        cause="no attestation of the registry gate is about them",
        next_step=f"run `tidegate registry admit FOLDER --name {name or 'NAME'} --version VERSION`"
        " on exactly these files, then try again",
        slug="not-admitted",
    )


def _never_released(digest: Digest, name: str | None) -> SubjectError:
    return SubjectError(
        "these bytes were never released" + (f" as {name}" if name else ""),
        where=digest.short,
        cause="no release file is about them",
        next_step="write one with `tidegate registry promote --release`, and put it into the folder"
        " of releases",
        slug="not-released",
    )


def _not_promoted(digest: Digest, alias: str, meant: str | None) -> SubjectError:
    name, _, stage = alias.partition("/")
    return SubjectError(
        f"these bytes were not promoted to {alias}",
        where=digest.short,
        cause=f"{alias} means {meant[:19]}" if meant else f"{alias} means nothing",
        next_step=f"run `tidegate registry promote {name}@VERSION --stage {stage}`, then try again",
        slug="not-promoted",
    )


def _no_meaning(reference: str) -> SubjectError:
    return SubjectError(
        "this name means nothing",
        where=reference[:200],
        next_step="see `tidegate registry list`",
        slug="no-meaning",
    )
