r"""What runs, as somebody found it: a list of models, or the objects of a cluster.

>>> found = read_running(b'{"uri": "s3://models/credit", "name": "credit/prod"}\n')
>>> [(one.uri, one.name, one.where) for one in found.models]
[('s3://models/credit', 'credit/prod', 'line 1')]

A list has one JSON object a line with ``uri``, ``digest``, ``name`` (``NAME/STAGE``) and ``where``,
each of which may be absent. Objects come as ``kubectl get pods -o json`` writes them; what they
name is found as the admission webhook finds it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tidegate.admission.decide import DIGEST_ANNOTATION
from tidegate.admission.references import Kind, Reference, find_references
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, TidegateError
from tidegate.core.finding import Skipped

MAX_BYTES: Final = 256 << 20
MAX_MODELS: Final = 100_000
_TEXT: Final = 2_048
_NAMED_BY: Final = "tidegate/deployment"
"""The annotation that names the deployment: ``NAME/STAGE``."""
_FIELDS: Final = frozenset({"uri", "digest", "name", "where"})


@dataclass(frozen=True, slots=True)
class Running:
    """One model that runs."""

    where: str
    """Who serves it: ``Pod shop/scoring-1 spec.containers[0].image``."""
    uri: str = ""
    digest: str = ""
    """``sha256:…`` of what runs, where it is known."""
    name: str = ""
    """``NAME/STAGE``, where it says what it is meant to be."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found."""

    models: tuple[Running, ...]
    unread: tuple[Skipped, ...] = ()
    """Lines and objects that could not be read."""


def read_running(data: bytes, *, images: Sequence[str] = ()) -> Discovery:
    """Read a list or the objects of a cluster.

    Args:
        data: Of untrusted origin.
        images: Shell patterns of container images that hold models.

    Raises:
        SubjectError: It is neither, or too much.
    """
    if len(data) > MAX_BYTES:
        raise _refused(f"more than {MAX_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("it is no UTF-8") from None
    whole = _object(text)
    if whole is not None and isinstance(whole.get("kind"), str) and "apiVersion" in whole:
        items = whole.get("items")
        return _gathered(_objects(items if isinstance(items, list) else [whole], images))
    lines = [(at, line) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    return _gathered(_listed(at, line) for at, line in lines)


def _gathered(found: "Iterator[Running | Skipped]") -> Discovery:
    models: list[Running] = []
    unread: list[Skipped] = []
    for one in found:
        if len(models) + len(unread) >= MAX_MODELS:
            raise _refused(f"more than {MAX_MODELS} models")
        if isinstance(one, Running):
            models.append(one)
        else:
            unread.append(one)
    return Discovery(tuple(models), tuple(unread))


def _listed(at: int, line: str) -> Running | Skipped:
    where, said = f"line {at}", _object(line)
    if said is None:
        return Skipped(where, "it is no JSON object")
    if not said.keys() <= _FIELDS or not all(
        isinstance(value, str) and len(value) <= _TEXT for value in said.values()
    ):
        return Skipped(where, f"its fields are not texts out of {', '.join(sorted(_FIELDS))}")
    digest = str(said.get("digest", ""))
    if digest and not _is_digest(digest):
        return Skipped(where, "its digest is no sha256:…")
    place = str(said.get("where", "")) or where
    return Running(place, str(said.get("uri", "")), digest, str(said.get("name", "")))


def _objects(items: Sequence[Json], images: Sequence[str]) -> "Iterator[Running | Skipped]":
    for at, item in enumerate(items):
        if not isinstance(item, dict):
            yield Skipped(f"items[{at}]", "it is no object")
            continue
        place = _place(item, at)
        try:
            references = find_references(item)
        except SubjectError as error:
            yield Skipped(place, f"{error.problem}: {error.cause}")
            continue
        stated, name = _annotation(item, DIGEST_ANNOTATION), _annotation(item, _NAMED_BY)
        pulled = _pulled(item)
        for one in references:
            image = one.kind is Kind.IMAGE
            if image and not any(fnmatchcase(one.uri, glob) for glob in images):
                continue
            seen = one.digest or ("" if image else stated) or _from_status(one, pulled)
            yield Running(f"{place} {one.where}", one.uri, seen if _is_digest(seen) else "", name)


def _place(item: Mapping[str, Json], at: int) -> str:
    meta = item.get("metadata")
    known = meta if isinstance(meta, dict) else {}
    name = "/".join(str(known[key])[:253] for key in ("namespace", "name") if known.get(key))
    return f"{str(item.get('kind', 'object'))[:63]} {name or f'items[{at}]'}"


def _annotation(item: Mapping[str, Json], name: str) -> str:
    meta = item.get("metadata")
    notes = meta.get("annotations") if isinstance(meta, dict) else None
    value = notes.get(name) if isinstance(notes, dict) else None
    return value[:_TEXT] if isinstance(value, str) else ""


def _pulled(item: Mapping[str, Json]) -> dict[str, str]:
    """Return the digests that a Pod's node pulled, by image: its status says what a tag was."""
    status = item.get("status")
    found: dict[str, str] = {}
    for key in ("containerStatuses", "initContainerStatuses"):
        listed = status.get(key) if isinstance(status, dict) else None
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict):
                digest = str(one.get("imageID", "")).rpartition("@")[2]
                if _is_digest(digest):
                    found[str(one.get("image"))] = digest
    return found


def _from_status(reference: Reference, pulled: Mapping[str, str]) -> str:
    return pulled.get(reference.uri.removeprefix("oci://"), "")


def _object(text: str) -> dict[str, Json] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_digest(text: str) -> bool:
    try:
        return Digest.parse(text).algorithm == "sha256"
    except TidegateError:
        return False


def _refused(cause: str) -> SubjectError:
    return SubjectError(
        "not a list of what runs",
        cause=cause,
        next_step="write a JSON object a line (uri, digest, name, where), or pipe in "
        "`kubectl get pods -A -o json`",
        slug="bad-inventory",
    )
