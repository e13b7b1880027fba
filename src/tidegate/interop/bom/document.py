"""Bills of materials as bytes: which format they are in, read and written.

>>> from tidegate.core.clock import Micros
>>> from tidegate.core.digest import Digest
>>> from tidegate.interop.bom.model import ModelPart
>>> bom = Bom(ModelPart("credit", "3", (Digest("sha256", "0" * 64),)), made_at=Micros(0))
>>> read_bom(write_bom(bom, Spec.SPDX_3)).bom == bom
True
"""

from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.canonical import Json, dumps
from tidegate.interop.bom.cyclonedx import write_cyclonedx
from tidegate.interop.bom.cyclonedx_read import read_cyclonedx
from tidegate.interop.bom.model import Bom
from tidegate.interop.bom.reading import Loss, Losses, bad, parse, printable
from tidegate.interop.bom.spdx import spdx_losses, write_spdx
from tidegate.interop.bom.spdx2_read import read_spdx2
from tidegate.interop.bom.spdx_read import read_spdx


class Spec(StrEnum):
    """Formats that are written."""

    CYCLONEDX_16 = "cyclonedx-1.6"
    CYCLONEDX_17 = "cyclonedx-1.7"
    SPDX_3 = "spdx-3.0.1"


@dataclass(frozen=True, slots=True)
class Reading:
    """A document of anyone, in the one model."""

    bom: Bom
    format: str
    """``cyclonedx-1.5``, ``spdx-2.3``…"""
    losses: tuple[Loss, ...] = ()
    """What the document says and the model does not hold."""
    serial: str | None = None
    """The document's own name: a serial number or namespace."""


def read_bom(data: bytes) -> Reading:
    """Read CycloneDX 1.4 to 1.7, SPDX 2.3 or SPDX 3.0.1, all as JSON.

    Raises:
        SubjectError: It is none of these, too big, or has fields of another type.
    """
    document = parse(data)
    form, losses = format_of(document), Losses()
    if form.startswith("cyclonedx-"):
        bom, name = read_cyclonedx(document, losses), document.get("serialNumber")
    elif form == "spdx-2.3":
        bom, name = read_spdx2(document, losses), document.get("documentNamespace")
    else:
        bom, name = read_spdx(document, losses), None
    return Reading(bom, form, losses.found(), name if isinstance(name, str) else None)


def format_of(document: Json) -> str:
    """Tell a document's format by what it says it is, never by a file's name.

    Raises:
        SubjectError: It is none that is read.
    """
    told = document if isinstance(document, dict) else {}
    if "bomFormat" in told:
        return f"cyclonedx-{printable(str(told.get('specVersion')))}"
    if str(told.get("spdxVersion")) == "SPDX-2.3":
        return "spdx-2.3"
    if str(told.get("@context")).startswith("https://spdx.org/rdf/3.0."):
        return "spdx-3.0.1"
    other = told.get("spdxVersion") or told.get("@context")
    raise bad(
        "it is neither CycloneDX, SPDX 2.3 nor SPDX 3.0",
        cause=f"it says {printable(str(other))}" if other else None,
    )


def write_bom(bom: Bom, spec: Spec = Spec.CYCLONEDX_16) -> bytes:
    """Return a document's canonical bytes: what is hashed, signed and stored.

    Raises:
        SubjectError: The format can't hold it: SPDX wants a time.
    """
    return dumps(document_of(bom, spec))


def document_of(bom: Bom, spec: Spec = Spec.CYCLONEDX_16) -> dict[str, Json]:
    """Return a document as JSON.

    Raises:
        SubjectError: The format can't hold it: SPDX wants a time.
    """
    if spec is Spec.SPDX_3:
        return write_spdx(bom)
    return write_cyclonedx(bom, spec.value.partition("-")[2])


def write_losses(bom: Bom, spec: Spec) -> tuple[Loss, ...]:
    """Return what a format can't hold."""
    return spdx_losses(bom) if spec is Spec.SPDX_3 else ()
