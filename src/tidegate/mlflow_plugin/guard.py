"""What a registry may take, name and hand out: asks the evidence about the bytes themselves.

A version keeps the digest that was measured as its tag ``tidegate.digest``. That is a note, not a
proof: whoever writes to MLflow's database can change it, and then the evidence knows no such
model; and who downloads hashes what came.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mlflow.exceptions import MlflowException

from tidegate.app.admitted import ModelEvidence, open_evidence, plugin_settings
from tidegate.core.digest import Digest
from tidegate.core.errors import ConfigError, SubjectError
from tidegate.mlflow_plugin.addresses import SCHEME, Address
from tidegate.mlflow_plugin.answers import denied, refusing, shown
from tidegate.mlflow_plugin.files import at_hand, manifests

TAG: Final = "tidegate.digest"
NAMED: Final = "tidegate.admitted"
RESERVED: Final = "tidegate."
"""Tags that only the plug-in writes."""
_OUT_OF_USE: Final = frozenset({"none", "archived"})
"""Stages of MLflow that take a version out of service; they need no evidence."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A model's bytes as evidence knows them."""

    digest: Digest
    known_as: str
    """``NAME@VERSION``, or ``NAME/STAGE`` of a release."""

    @property
    def tags(self) -> dict[str, str]:
        """What is noted with a version."""
        return {TAG: str(self.digest), NAMED: self.known_as}


@dataclass(frozen=True, slots=True)
class Guard:
    """The checks, over one state of the configuration."""

    evidence: ModelEvidence
    names: Mapping[str, str]
    """Names of registered models to names here, where they differ."""
    stages: Mapping[str, str]
    """Protected aliases and stages, in lower case, to stages here; empty protects all."""

    @classmethod
    def current(cls) -> "Guard":
        """Read the configuration, and open what it names.

        Raises:
            MlflowException: It can't be read: nothing passes.
        """
        with refusing("request"):
            plugin = plugin_settings(os.environ)
            stages = {
                theirs.lower(): ours
                for theirs, ours in _pairs(plugin.settings.stages, "mlflow.stages").items()
            }
            names = _pairs(plugin.settings.names, "mlflow.names")
            return cls(open_evidence(plugin), names, stages)

    def check_version(self, name: str, location: str) -> Admitted:
        """Check that the bytes at a location were admitted under a model's name.

        Raises:
            MlflowException: They were not, or nothing can tell.
        """
        with refusing(f"version of {name[:200]}"):
            digests = _digests(location)
            refused: SubjectError | None = None
            for digest in digests:
                try:
                    return Admitted(digest, self.evidence.admitted(digest, self._ours(name)))
                except SubjectError as error:
                    refused = refused or error
            raise refused or SubjectError("there is nothing to register", slug="empty-folder")

    def check_alias(self, name: str, alias: str, location: str) -> None:
        """Check that the bytes at a location were promoted to the stage that an alias stands for.

        Raises:
            MlflowException: They were not, or nothing can tell.
        """
        stage = self._stage(alias)
        if stage is None:
            return
        with refusing(f"alias {alias[:200]} of {name[:200]}"):
            refused: SubjectError | None = None
            for digest in _digests(location):
                try:
                    self.evidence.promoted(digest, self._ours(name), stage)
                except SubjectError as error:
                    refused = refused or error
                else:
                    return
            raise refused or SubjectError("there is nothing to name", slug="empty-folder")

    def check_stage(self, name: str, stage: str, location: str) -> None:
        """Check the same of a stage; those that take a version out of use are free.

        Raises:
            MlflowException: They were not promoted, or nothing can tell.
        """
        if stage.lower() not in _OUT_OF_USE:
            self.check_alias(name, stage, location)

    def address(self, name: str, location: str, noted: str | None) -> str:
        """Return where a version is downloaded from: an address that verifies what comes.

        Args:
            name: Of the registered model.
            location: Where its files lie.
            noted: The digest that was noted with the version; measured now where there is none.

        Raises:
            MlflowException: The evidence says no, or nothing can tell.
        """
        if noted is None:
            digest = self.check_version(name, location).digest
        else:
            with refusing(f"download of {name[:200]}"):
                digest = Digest.parse(noted)
                self.evidence.admitted(digest, self._ours(name))
        return str(Address(str(digest), location, self._ours(name)))

    def _ours(self, name: str) -> str:
        return self.names.get(name, name)

    def _stage(self, alias: str) -> str | None:
        """Return the stage that an alias stands for; ``None`` where it is not protected."""
        if not self.stages:
            return alias.lower()
        return self.stages.get(alias.lower())


def check_source(source: str) -> None:
    """Refuse an address of ours as the source of a version: it names what to verify, not files.

    Raises:
        MlflowException: It is one.
    """
    if source.partition(":")[0].lower() == SCHEME:
        raise denied(
            "version",
            f"its source is an address of verified artifacts, {shown(source)}",
            "name the storage location of the files",
        )


def check_tag(key: str) -> None:
    """Refuse changes to what the plug-in notes.

    Raises:
        MlflowException: It is such a tag.
    """
    if key.startswith(RESERVED):
        raise denied("tag", f"{key[:100]} is written by Tidegate alone", "take another name")


def _digests(location: str) -> Sequence[Digest]:
    try:
        with at_hand(location) as folder:
            return [manifest.digest for manifest in manifests(folder)]
    except MlflowException as error:
        raise SubjectError(
            "the model's files can't be fetched",
            where=shown(location),
            cause=type(error).__name__ + ", " + str(error.error_code),
            next_step="check that the server may read its artifact storage",
            slug="unreadable",
        ) from error


def _pairs(items: Sequence[str], key: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        theirs, separator, ours = item.partition("=")
        theirs, ours = theirs.strip(), ours.strip() if separator else theirs.strip().lower()
        if not theirs or not ours or theirs in found:
            raise ConfigError(
                f"{item[:100]!r} is no THEIRS=OURS, or is there twice",
                where=key,
                next_step="write each once, such as Production=prod",
                slug="bad-value",
            )
        found[theirs] = ours
    return found
