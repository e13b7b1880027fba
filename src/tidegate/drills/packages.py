"""Package indexes of a drill: wheels in two folders, and an installer that asks both, as pip does.

With ``--extra-index-url`` pip takes the highest version that any index has. A resolver that binds a
name to an index asks that one alone. Both write what they chose as a lock (PEP 751).
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from tidegate.core.digest import sha256

OWN = "https://pypi.acme.example/simple"
PUBLIC = "https://pypi.org/simple"
NAME = "acme-features"
"""The name of an internal package."""
_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel in an index."""

    index: str
    path: Path

    @property
    def version(self) -> Version:
        """What its file name says."""
        return parse_wheel_filename(self.path.name)[1]

    def locked(self) -> str:
        """Return its entry of ``pylock.toml``."""
        url = f"{self.index}/{NAME}/{self.path.name}"
        digest = sha256(self.path.read_bytes()).hex
        return (
            f'\n[[packages]]\nname = "{NAME}"\nversion = "{self.version}"\nindex = "{self.index}"\n'
            f'wheels = [{{ url = "{url}", hashes = {{ sha256 = "{digest}" }} }}]\n'
        )

    def install(self, site: Path) -> Path:
        """Unpack it, as an installer does; return where."""
        site.mkdir()
        with zipfile.ZipFile(self.path) as archive:
            archive.extractall(site)
        return site


def write_wheel(folder: Path, version: str, code: str) -> None:
    """Publish a version whose module is this code."""
    folder.mkdir(parents=True, exist_ok=True)
    module = NAME.replace("-", "_")
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{module}/__init__.py", code)
        told = _METADATA.format(name=NAME, version=version)
        archive.writestr(f"{module}-{version}.dist-info/METADATA", told)


def resolve(indexes: Mapping[str, Path], asked: Sequence[str]) -> Wheel:
    """Return the highest version of the package that any of the asked indexes has."""
    found = [Wheel(url, path) for url in asked for path in indexes[url].glob("*.whl")]
    return max(found, key=lambda wheel: wheel.version)


def write_lock(path: Path, chosen: Wheel) -> Path:
    """Write the lock of what was chosen."""
    path.write_text('lock-version = "1.0"\ncreated-by = "drill"\n' + chosen.locked(), "utf-8")
    return path
