"""The image check in a workspace: Dockerfiles, layouts on disk, images in a listed registry.

::

    found = check_target("registry.example/team/app:1", Path("."), settings, keys=keys)
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.app.signers import standing
from tidegate.app.workspace import Workspace
from tidegate.config import Settings
from tidegate.core.decision import SubjectRef
from tidegate.core.errors import (
    AccessError,
    CheckError,
    SubjectError,
    UsageError,
    VerificationError,
)
from tidegate.core.finding import Coverage, Finding, Skipped
from tidegate.core.identity.keys import MAX_PEM, PublicKey
from tidegate.detect.images import ImageWants, check_dockerfile, check_image
from tidegate.detect.images.dockerfile import MAX_BYTES
from tidegate.gates.signature import model_keys
from tidegate.interop.cosign import PROOFS
from tidegate.interop.oci.layout import Layout
from tidegate.interop.oci.model import (
    REF_NAME,
    Descriptor,
    ImageSource,
    Reference,
)

_MOST: Final = 1_000
_MAX_ENTRIES: Final = 200_000
_MAX_TOKEN: Final = 16_384
_PASSED_OVER: Final = frozenset({".git", "node_modules", "__pycache__", "site-packages"})


@dataclass(frozen=True, slots=True)
class ImageFindings:
    """What the check found."""

    findings: tuple[Finding, ...]
    coverage: Coverage
    subjects: tuple[SubjectRef, ...] = ()
    notes: tuple[str, ...] = ()


def read_keys(files: Sequence[Path]) -> tuple[PublicKey, ...]:
    """Read public keys in PEM.

    Raises:
        AccessError: A file can't be read.
        VerificationError: It holds no key of a kind that is accepted.
    """
    keys: list[PublicKey] = []
    for file in files:
        try:
            with file.open("rb") as stream:
                keys.append(PublicKey.from_pem(stream.read(MAX_PEM + 1)))
        except OSError as error:
            raise AccessError(
                "a public key can't be read",
                where=str(file),
                cause=error.strerror,
                next_step="name a PEM file, as cosign.pub is",
                slug="no-key",
            ) from None
    return tuple(keys)


def releaser_keys(workspace: Workspace) -> tuple[PublicKey, ...]:
    """Return the ECDSA keys of releasers that count now."""
    return tuple(model_keys(standing(workspace, at=workspace.clock.now(), index=None)))


def wants(settings: Settings) -> ImageWants:
    """Return what a workspace wants of images."""
    return ImageWants(settings.images.registries)


def check_place(
    path: Path, settings: Settings, *, keys: Sequence[PublicKey], layers: bool
) -> ImageFindings:
    """Check a Dockerfile, an image layout, or each Dockerfile of a folder.

    Raises:
        SubjectError: There is nothing at the path.
        VerificationError: A layout's index is damaged.
        CheckError: The Dockerfile can't be read.
    """
    if path.is_dir() and (path / "oci-layout").exists():
        layout = Layout(path)
        tops = [(one, one.annotations.get(REF_NAME, "")) for one in _images(layout)]
        named = [(one, f"{path.name}:{tag}" if tag else path.name) for one, tag in tops]
        return _checked(layout, named, settings, keys, layers=layers)
    if path.is_dir():
        return _files(path, settings)
    if not path.exists():
        raise SubjectError(
            "there is nothing to check here",
            where=str(path),
            next_step="name a Dockerfile, an image layout, or registry.example/name:tag",
            slug="no-such-file",
        )
    found = check_dockerfile(_text(path), path.as_posix(), wants(settings))
    return ImageFindings(found, Coverage(1, 1, unit="file"))


def check_remote(
    source: ImageSource,
    top: Descriptor,
    reference: Reference,
    settings: Settings,
    *,
    keys: Sequence[PublicKey],
    layers: bool,
) -> ImageFindings:
    """Check an image that a registry holds."""
    named = [(top, f"{reference.repository}@{top.digest.short}")]
    return _checked(source, named, settings, keys, layers=layers)


def permitted(text: str, settings: Settings) -> Reference:
    """Read a reference whose registry the configuration lists: nothing else is asked.

    Raises:
        UsageError: It is no reference, or its registry is not listed.
    """
    reference = Reference.parse(text)
    listed = settings.images.registries
    if not listed or not ImageWants(listed).lists(reference.repository):
        raise UsageError(
            "this registry is not listed, and no other is asked",
            where=reference.repository,
            next_step=f"list {reference.host} under images.registries in tidegate.toml",
            slug="registry-not-listed",
        )
    return reference


def credentials(root: Path, settings: Settings) -> str | None:
    """Return what the token file holds.

    Raises:
        AccessError: It can't be read, or others can read it.
    """
    file = settings.images.token_file
    if file is None:
        return None
    place = root / file
    try:
        with place.open("rb") as stream:
            shared = os.fstat(stream.fileno()).st_mode & 0o077
            text = stream.read(_MAX_TOKEN).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(
            "the registry's credentials can't be read",
            where=str(place),
            cause=getattr(error, "strerror", None) or "it is no text",
            next_step="write user:password or a token into it",
            slug="token-file",
        ) from None
    if shared and os.name == "posix":
        raise AccessError(
            "the registry's credentials are open to other users",
            where=str(place),
            next_step=f"chmod 600 {place}",
            slug="token-file",
        )
    return text


def _images(layout: Layout) -> Iterator[Descriptor]:
    """Yield what index.json lists, but for manifests that hold nothing but signatures.

    Content decides: a tag or an annotation that says so would be a way to hide an image.
    """
    for one in layout.manifests:
        try:
            layers = layout.manifest(one.digest).layers
        except VerificationError:  # what is wrong with it becomes a finding of its own
            yield one
            continue
        if not layers or any(layer.media_type not in PROOFS for layer in layers):
            yield one


def _checked(
    source: ImageSource,
    tops: Sequence[tuple[Descriptor, str]],
    settings: Settings,
    keys: Sequence[PublicKey],
    *,
    layers: bool,
) -> ImageFindings:
    findings: list[Finding] = []
    coverage = Coverage(unit="manifest")
    subjects: list[SubjectRef] = []
    notes: list[str] = []
    for top, name in tops:
        report = check_image(source, top, name, wants(settings), keys=keys, layers=layers)
        findings += report.findings
        coverage += report.coverage
        subjects.append(SubjectRef(name, "image", str(top.digest)))
        if report.verdict:
            proofs = [
                f"{proof.form.value} by key {proof.key_id[:12]}" for proof in report.verdict.proofs
            ]
            notes += [f"{name}: {proof}" for proof in proofs]
            notes += [f"{name}: attested {one}" for one in report.verdict.predicates]
    if not keys:
        notes.append("no keys were given: signatures were not looked for")
    if not layers:
        notes.append("layers were not read")
    return ImageFindings(tuple(findings), coverage, tuple(subjects), tuple(notes))


def _files(folder: Path, settings: Settings) -> ImageFindings:
    findings: list[Finding] = []
    failed: list[Skipped] = []
    count = 0
    for file in _dockerfiles(folder):
        shown = file.relative_to(folder).as_posix()
        try:
            findings += check_dockerfile(_text(file), shown, wants(settings))
            count += 1
        except CheckError as error:
            failed.append(Skipped(shown, f"{error.problem}, {error.where or ''}"))
    coverage = Coverage(count + len(failed), count, (), tuple(failed), unit="file")
    return ImageFindings(tuple(findings), coverage)


def _dockerfiles(folder: Path) -> Iterator[Path]:
    entries = found = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if one not in _PASSED_OVER)
        entries += len(files)
        if entries > _MAX_ENTRIES or found > _MOST:
            raise CheckError(
                "the folder holds too many files",
                where=str(folder),
                next_step="name the Dockerfiles",
                slug="too-many-files",
            )
        for name in sorted(files):
            stem = name.lower()
            plain = stem in {"dockerfile", "containerfile"}
            if plain or stem.endswith(".dockerfile") or stem.startswith("dockerfile."):
                found += 1
                yield Path(place, name)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise CheckError(
                f"the file is larger than {MAX_BYTES} bytes", where=str(path), slug="bad-dockerfile"
            )
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckError(
            "the file can't be read as a Dockerfile",
            where=str(path),
            cause=getattr(error, "strerror", None) or "it is not UTF-8",
            next_step="name a Dockerfile, or an image layout",
            slug="bad-dockerfile",
        ) from None
