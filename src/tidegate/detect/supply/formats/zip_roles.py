"""Which members of a zip archive a framework reads in a way of its own: told by the layout.

PyTorch reads pickles with typed persistent ids and raw tensors beside them; TorchScript its code;
torch.export its graphs; TorchServe a manifest; skops a schema. Every other member is examined by
its own content, and so is a member whose role does not fit what it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tidegate.detect.supply.archives.windows import Window
from tidegate.detect.supply.formats import skops_schema, torch_export, torch_script, torch_serve
from tidegate.detect.supply.formats.json_value import read_json
from tidegate.detect.supply.pickles.scan import scan_pickle
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_secrets

_SCHEMA: Final = 1 << 23
_CODE, _PICKLE, _CONFIG, _OTHER = range(4)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive."""

    name: bytes
    body: bytes | Window
    stored: bool
    """Whether it lies in the archive without compression, as tensors do."""


class Roles:
    """The roles of one archive's members.

    Args:
        names: All member names.
    """

    def __init__(self, names: Sequence[bytes]) -> None:
        self._torch = any(_base(name) in (b"data.pkl", b"constants.pkl") for name in names)
        self._script = any(_base(name) == b"constants.pkl" for name in names)
        self._export = any(_base(name) == b"archive_format" for name in names)
        self._serve = b"MAR-INF/MANIFEST.json" in names
        self._skops = b"schema.json" in names
        self._storages: dict[tuple[str, str], int] = {}
        """Sizes of raw tensors, by folder and key."""
        self._classes: set[str] = set()

    def rank(self, name: bytes) -> int:
        """Return when a member is examined: what others depend on comes first."""
        if self._script and name.endswith(b".py"):
            return _CODE
        if self._torch and name.endswith(b".pkl"):
            return _PICKLE
        return _CONFIG if self._export and name.endswith(b".json") else _OTHER

    def examine(self, member: Member, scan: Scan) -> bool:
        """Examine a member in its role; ``False`` where it has none."""
        rank = self.rank(member.name)
        if rank == _CODE:
            return self._code(member, scan)
        if rank == _PICKLE:
            self._pickle(member, scan)
            return True
        if self._is_tensor(member):
            return True
        if self._script and member.name.endswith(b".debug_pkl"):
            scan_pickle(member.body, self._in_script(scan))
            return True
        return self._described(member, scan)

    def _described(self, member: Member, scan: Scan) -> bool:
        """Examine what a JSON member describes; it is examined as JSON as well."""
        if self._export and member.name.endswith(b".json"):
            value = read_json(member.body)
            if value is None:
                torch_export.examine_long(member.body, scan)
            sizes = torch_export.examine(value, scan)
            folder = _folder(member.name)
            self._storages |= {(folder, name): size for name, size in sizes.items()}
        elif self._serve and member.name == b"MAR-INF/MANIFEST.json":
            torch_serve.examine(read_json(member.body), scan)
        elif self._skops and member.name == b"schema.json":
            examine_secrets(member.body[:_SCHEMA].decode("utf-8", "replace"), scan)
            value = read_json(member.body)
            if value is None:
                scan.gap("a skops schema that can't be read, or not be held", failed=True)
            return skops_schema.examine(value, scan)
        return False

    def _code(self, member: Member, scan: Scan) -> bool:
        classes = torch_script.examine_code(member.name, member.body, scan)
        if classes is None:
            return False
        self._classes |= classes
        return True

    def _pickle(self, member: Member, scan: Scan) -> None:
        inner = self._in_script(scan) if self._script else scan
        if self._script:
            torch_script.examine_operators(member.body, scan)
        stem = _base(member.name).removesuffix(b".pkl").decode("utf-8", "replace")
        parent = _folder(member.name)
        folder = f"{parent}/{stem}" if parent else stem
        found = scan_pickle(member.body, inner, torch=True)
        self._storages |= {(folder, key): size for key, size in found.items()}

    def _in_script(self, scan: Scan) -> Scan:
        """Return a scan that knows the archive's own classes."""
        allow = torch_script.ScriptAllowlist(scan.allowlist, frozenset(self._classes))
        return replace(scan, allowlist=allow)

    def _is_tensor(self, member: Member) -> bool:
        """Whether a member is a tensor's bytes: stored, where a pickle says, of the size told."""
        key = (_folder(member.name), _base(member.name).decode("utf-8", "replace"))
        return member.stored and self._storages.get(key) == len(member.body)


def _base(name: bytes) -> bytes:
    return name.rpartition(b"/")[2]


def _folder(name: bytes) -> str:
    return name.rpartition(b"/")[0].decode("utf-8", "replace")
