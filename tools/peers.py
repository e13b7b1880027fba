# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Install the third-party verifiers that the interoperability tests run against.

::

    python tools/peers.py model-signing sigstore-js

Each peer lives in a folder of its own under ``.tools/peers``, outside the environment of the
project, because they are tested against and never depended on. A peer whose stamp is current is
left alone.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".tools" / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """A third-party tool, pinned."""

    name: str
    packages: tuple[str, ...]
    install: Callable[[Path, tuple[str, ...]], None]
    beside_us: bool = False
    """Whether this checkout is installed with it, so that what that needs is part of the set."""

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return PEERS / self.name

    @property
    def stamp(self) -> str:
        """What the stamp file says when this very set is installed."""
        ours = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        also = [json.dumps(ours, sort_keys=True)] if self.beside_us else []
        return "\n".join([*self.packages, *also]) + "\n"

    def ensure(self) -> bool:
        """Install it unless it is there; tell whether anything was done."""
        stamp = self.folder / "installed.txt"
        if stamp.is_file() and stamp.read_text() == self.stamp:
            return False
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.install(self.folder, self.packages)
        stamp.write_text(self.stamp)
        return True


def _pip(folder: Path, packages: tuple[str, ...]) -> None:
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", *packages], check=True)


def _pip_beside_us(folder: Path, packages: tuple[str, ...]) -> None:
    """Install a host of our plug-ins together with this checkout, which it finds as installed."""
    _pip(folder, (*packages, "--editable", f"{ROOT}[data,train]"))


def _npm(folder: Path, packages: tuple[str, ...]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed: install Node.js first")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]
    subprocess.run([*command, str(folder), *packages], check=True)


CATALOGUE = {
    peer.name: peer
    for peer in (
        # pyOpenSSL and blake3 are imported by model-signing 1.1.1, which declares neither.
        Peer("model-signing", ("model-signing==1.1.1", "pyOpenSSL", "blake3"), _pip),
        # The whole of MLflow, with its server; the client alone is in the lock.
        Peer("mlflow", ("mlflow==3.17.2",), _pip_beside_us, beside_us=True),
        # What its signatures before 1.0 were made with; it names no versions of what it needs.
        Peer(
            "model-signing-0.2",
            ("model-signing==0.2.0", "sigstore<4", "sigstore-protobuf-specs==0.3.2"),
            _pip,
        ),
        Peer("sigstore-js", ("@sigstore/bundle@5.0.1", "@sigstore/verify@4.1.3"), _npm),
    )
}


def main() -> int:
    """Install the peers that are named on the command line, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", nargs="*", metavar="PEER", help="default: all")
    wanted = parser.parse_args().peer or list(CATALOGUE)
    if unknown := set(wanted) - set(CATALOGUE):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; known: {', '.join(CATALOGUE)}")
    for name in wanted:
        done = CATALOGUE[name].ensure()
        print(f"{name}: {'installed' if done else 'already there'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
