"""Examines XML, PMML above all: no document type, no entities, no inclusion, no foreign function.

expat reads it piece by piece, and is told to resolve nothing.
"""

import re
from typing import Final
from xml.parsers import expat

from tidegate.detect.supply.archives.windows import blocks
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_payload, examine_secrets

_DEPTH: Final = 200
_INCLUDE: Final = "http://www.w3.org/2001/XInclude"
_XSLT: Final = "http://www.w3.org/1999/XSL/Transform"
_HEAD: Final = 1 << 16
_MARKS: Final = re.compile(rb"<(?:[\w.-]+:)?PMML\b|<!DOCTYPE(?!\s+html\b)|<!ATTLIST", re.IGNORECASE)
_TEXT: Final = 1 << 16
_TOKEN: Final = 1 << 23


def looks_like(data: Buffer) -> bool:
    """Tell whether text is an XML document: by its declaration, its entities, or PMML's root.

    HTML is none, and neither is Markdown that begins with a tag.
    """
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<?xml"):
        return True
    if not head.startswith(b"<"):
        return False
    return _MARKS.search(head) is not None or data.find(b"<!ENTITY") >= 0


def scan_xml(data: Buffer, scan: Scan) -> str:
    """Examine a document, and return its kind: ``pmml`` or ``xml``."""
    return _Reader(scan).read(data)


class _Reader:
    """Takes expat's events.

    Args:
        scan: Where findings go.
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._root = ""
        self._depth = 0
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._external
        parser.SkippedEntityHandler = self._skipped
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self._text

    def read(self, data: Buffer) -> str:
        """Read a document to its end, or to where it breaks off."""
        try:
            for at, block in blocks(data):
                self._scan.meter.expand(0)
                self._parser.Parse(block, at + len(block) >= len(data))
                if at + len(block) - self._parser.CurrentByteIndex > _TOKEN:
                    self._scan.gap("XML with a part longer than is examined", failed=True)
                    break
        except (expat.ExpatError, LookupError, ValueError) as error:
            # Python looks up encodings that expat does not know.
            self._scan.gap(f"XML that breaks off: {str(error)[:100]}", failed=True)
        except _StopError:
            pass
        return "pmml" if self._root == "PMML" else "xml"

    def _find(self, why: str) -> None:
        self._scan.find("xml-entity", why, self._parser.CurrentByteIndex, about=why)

    def _doctype(self, _name: str, _system: str | None, _public: str | None, _own: object) -> None:
        self._find("it has a document type")

    def _entity(self, *_parts: object) -> None:
        self._find("it declares entities")
        # What an entity stands for is not expanded, so the rest can't be judged.
        self._scan.gap("XML with entities is not examined further")
        raise _StopError

    def _external(self, *_parts: object) -> int:
        self._find("it refers to an external entity")
        return 1

    def _skipped(self, *_parts: object) -> None:
        self._find("it refers to an entity that it does not declare")

    def _instruction(self, target: str, _data: str) -> None:
        if target in ("xml-stylesheet", "php", "import"):
            self._find(f"it has the instruction {target}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            self._scan.gap("XML nested deeper than is examined", failed=True)
            raise _StopError
        space, _, local = name.rpartition(" ")
        self._root = self._root or local
        if space in (_INCLUDE, _XSLT):
            self._find(f"it has the element {printable(local, 40)} of another language")
        if local == "Apply" and "." in attributes.get("function", ""):
            shown = printable(attributes["function"], 80)
            self._scan.find(
                "config-target",
                f"it calls {shown}, a class of the evaluator's host",
                self._parser.CurrentByteIndex,
                about=shown,
            )
        for value in attributes.values():
            self._text(value)

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _text(self, text: str) -> None:
        if len(text) > 20:  # noqa: PLR2004 - no secret and no program is shorter
            examine_secrets(text[:_TEXT], self._scan)
            examine_payload(text, self._scan)


class _StopError(Exception):
    """The rest is not read."""
