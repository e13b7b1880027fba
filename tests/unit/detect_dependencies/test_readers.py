# ruff: noqa: E501 - lock files have long lines, and cases read best on one
"""Every reader gives one model, refuses what is damaged, and follows nothing out of its folder."""

import base64
import hashlib
import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tidegate.core.errors import CheckError, SubjectError
from tidegate.detect.dependencies import Expectations, judge_locks
from tidegate.detect.dependencies.documents import yaml_value
from tidegate.detect.dependencies.model import Dependency, Ecosystem, Format, LockFile, Role, Source
from tidegate.detect.dependencies.readers.dispatch import read_path

SHA = "a" * 64

UV = f"""
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "app"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "Demo_Tool" }}]

[[package]]
name = "Demo_Tool"
version = "1.10"
source = {{ registry = "https://pypi.example/simple" }}
sdist = {{ url = "https://f.example/d.tar.gz", hash = "sha256:{SHA}", upload-time = "2026-01-02T00:00:00Z" }}
wheels = [{{ url = "https://f.example/d.whl", upload-time = "2026-01-03T00:00:00Z" }}]

[[package]]
name = "forked"
version = "2.0"
source = {{ git = "https://git.example/forked?rev=main#{"b" * 40}" }}
"""
POETRY = f"""
[[package]]
name = "demo-tool"
version = "1.10"
optional = false
files = [{{file = "d.whl", hash = "sha256:{SHA}"}}]

[package.source]
type = "legacy"
url = "https://pypi.example/simple"
reference = "house"

[[package]]
name = "forked"
version = "2.0"
files = []
[package.source]
type = "git"
url = "https://git.example/forked"
reference = "main"
resolved_reference = "{"b" * 40}"

[metadata]
lock-version = "2.1"
content-hash = "{SHA}"
"""
PYLOCK = f"""
lock-version = "1.0"
created-by = "test"

[[packages]]
name = "demo-tool"
version = "1.10"
index = "https://pypi.example/simple"
wheels = [{{ url = "https://f.example/demo_tool-1.10-py3-none-any.whl", hashes = {{ sha256 = "{SHA}" }}, upload-time = 2026-01-03T00:00:00Z }}]

[[packages]]
name = "forked"
version = "2.0"
vcs = {{ type = "git", url = "https://git.example/forked", commit-id = "{"b" * 40}" }}
"""
PIPFILE = json.dumps(
    {
        "_meta": {"sources": [{"name": "house", "url": "https://pypi.example/simple"}]},
        "default": {
            "demo-tool": {"version": "==1.10", "hashes": [f"sha256:{SHA}"], "index": "house"},
            "forked": {"git": "https://git.example/forked", "ref": "b" * 40},
        },
        "develop": {},
    }
)
REQUIREMENTS = f"""
--index-url https://pypi.example/simple  # ours
Demo_Tool[fast]==1.10 ; python_version >= "3.11" \\
    --hash=sha256:{SHA}
forked @ git+https://git.example/forked@{"b" * 40}
"""
CONDA_LOCK = f"""
version: 1
metadata:
  channels:
    - url: https://conda.example/forge
      used_env_vars: []
  platforms: [linux-64]
package:
- name: demo-tool
  version: 1.10
  manager: conda
  platform: linux-64
  url: https://conda.example/forge/linux-64/demo-tool-1.10-py311_0.conda
  hash:
    md5: {"c" * 32}
    sha256: {SHA}
- name: wheel-only
  version: '2.0'
  manager: pip
  platform: linux-64
  url: https://f.example/wheel_only-2.0-py3-none-any.whl
  hash:
    sha256: {SHA}
"""


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def read(folder: Path, name: str, text: str) -> LockFile:
    (lock,) = read_path(written(folder, name, text), folder)
    return lock


def named(lock: LockFile, name: str) -> Dependency:
    return next(one for one in lock.dependencies if one.name == name)


LOCKS: dict[str, tuple[str, Format]] = {
    "uv.lock": (UV, Format.UV),
    "poetry.lock": (POETRY, Format.POETRY),
    "pylock.toml": (PYLOCK, Format.PYLOCK),
    "Pipfile.lock": (PIPFILE, Format.PIPFILE),
    "requirements.txt": (REQUIREMENTS, Format.REQUIREMENTS),
}


@pytest.mark.parametrize("name", LOCKS)
def test_each_format_gives_the_same_model(name: str, tmp_path: Path) -> None:
    text, form = LOCKS[name]
    lock = read(tmp_path, name, text)
    assert (lock.format, lock.gaps) == (form, ())
    demo, forked = named(lock, "demo-tool"), named(lock, "forked")
    assert (demo.version, demo.source) == ("1.10", Source.INDEX)
    assert demo.address == "https://pypi.example/simple"
    assert f"sha256:{SHA}" in demo.hashes
    assert forked.source is Source.VCS
    assert forked.revision == "b" * 40


@pytest.mark.parametrize("name", LOCKS)
def test_content_decides_where_the_name_says_nothing(name: str, tmp_path: Path) -> None:
    text, form = LOCKS[name]
    assert read(tmp_path, "lock.of.mine", text).format is form


@pytest.mark.parametrize("name", [*LOCKS, "conda-lock.yml", "environment.yml"])
@pytest.mark.parametrize("damage", ["cut", "bytes", "empty list"])
def test_damage_is_told_and_never_a_traceback(name: str, damage: str, tmp_path: Path) -> None:
    text = LOCKS[name][0] if name in LOCKS else CONDA_LOCK
    file = tmp_path / name
    raw = text.encode()
    file.write_bytes({"cut": raw[: len(raw) * 2 // 3], "bytes": b"\xff\x00" + raw,
                      "empty list": b"[]"}[damage])  # fmt: skip
    locks: list[LockFile] = []
    with suppress(CheckError):
        locks = read_path(file, tmp_path)
    # Two thirds of a requirements file may be a requirements file.
    assert damage == "cut" or locks == []


def test_uv_tells_lines_upload_times_and_what_was_asked_for(tmp_path: Path) -> None:
    lock = read(tmp_path, "uv.lock", UV)
    demo = named(lock, "demo-tool")
    assert (demo.place.line, demo.direct, demo.unhashed) == (12, True, 1)
    assert demo.uploaded == 1_767_398_400_000_000
    assert named(lock, "app").source is Source.SELF


def test_conda_locks_tell_channels_from_indexes(tmp_path: Path) -> None:
    lock = read(tmp_path, "conda-lock.yml", CONDA_LOCK)
    demo, wheel = named(lock, "demo-tool"), named(lock, "wheel-only")
    assert (demo.ecosystem, demo.version) == (Ecosystem.CONDA, "1.10")
    assert demo.address == "https://conda.example/forge"
    assert (wheel.ecosystem, wheel.hashes) == (Ecosystem.PYPI, (f"sha256:{SHA}",))


def test_explicit_lists_of_conda_are_read(tmp_path: Path) -> None:
    text = f"@EXPLICIT\nhttps://conda.example/forge/noarch/tzdata-2026a-h1_0.conda#{SHA}\n"
    demo = named(read(tmp_path, "conda-linux-64.lock", text), "tzdata")
    assert (demo.version, demo.hashes) == ("2026a", (f"sha256:{SHA}",))


def test_environment_files_tell_pins_from_wishes(tmp_path: Path) -> None:
    text = """
    name: x
    channels: [conda-forge]
    dependencies:
      - numpy=1.26.4=py311h_0
      - scipy=1.11
      - pandas==2.2.0
      - forge::polars>=1
      - pip:
          - requests==2.32.0
          - -r more.txt
    """
    lock = read(tmp_path, "environment.yml", text)
    versions = {one.name: one.version for one in lock.dependencies}
    assert versions == {
        "numpy": "1.26.4", "scipy": None, "pandas": "2.2.0", "polars": None, "requests": "2.32.0"
    }  # fmt: skip
    assert len(lock.gaps) == 1


def test_a_report_of_pip_tells_what_was_withdrawn(tmp_path: Path) -> None:
    item = {
        "download_info": {"url": "https://f.example/d.whl", "archive_info": {"hashes": {"sha256": SHA}}},
        "is_direct": False, "is_yanked": True, "requested": True,
        "metadata": {"name": "demo", "version": "1", "license_expression": "MIT"},
    }  # fmt: skip
    text = json.dumps({"version": "1", "pip_version": "25", "install": [item]}, indent=1)
    demo = named(read(tmp_path, "report.json", text), "demo")
    assert (demo.yanked, demo.licence, demo.direct) == ("", "MIT", True)


def test_includes_stay_in_their_folder(tmp_path: Path) -> None:
    root = tmp_path / "project"
    written(tmp_path, "secret.txt", "outside==1")
    written(root, "base.txt", "inside==1\n-r requirements.txt\n")
    written(root, "limits.txt", f"open==3 --hash=sha256:{SHA}\n")
    text = "-r base.txt\n-c limits.txt\n-r ../secret.txt\n-r https://x.example/r.txt\nopen\n"
    lock = read(root, "requirements.txt", text)
    assert {one.name: one.version for one in lock.dependencies} == {"inside": "1", "open": "3"}
    assert len(lock.gaps) == 2


def test_options_of_requirements_are_kept(tmp_path: Path) -> None:
    text = "-i https://a.example/s\n--extra-index-url=https://b.example/s\n--trusted-host c\n--odd 1\nx==1"
    lock = read(tmp_path, "requirements.txt", text)
    assert [one.role for one in lock.indexes] == [Role.PRIMARY, Role.EXTRA, Role.TRUSTED_HOST]
    assert len(lock.gaps) == 1


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [
        ("-e .", Source.SELF, "unnamed"),
        ("-e ./libs/tool", Source.EDITABLE, "tool"),
        ("./dist/tool-1.0-py3-none-any.whl", Source.PATH, "tool"),
        ("https://x.example/tool-1.0.tar.gz", Source.URL, "tool"),
        ("tool @ https://x.example/t.whl#sha256=" + SHA, Source.URL, "tool"),
        ("git+ssh://git@git.example/tool.git@v1", Source.VCS, "tool"),
    ],
)
def test_addresses_of_requirements(line: str, kind: Source, name: str, tmp_path: Path) -> None:
    (one,) = read(tmp_path, "requirements.txt", line).dependencies
    assert (one.source, one.name) == (kind, name)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "a: !!python/object:os.system x",
        "a: 1\na: 2",
        "[" * 40,
        "a: 1\n---\nb: 2",
    ],
)
def test_yaml_has_no_anchors_tags_or_tricks(text: str) -> None:
    with pytest.raises(CheckError):
        yaml_value(text, "x.yml")


def install(site: Path, name: str, files: dict[str, bytes]) -> Path:
    """Write a distribution as an installer does."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\nLicense-Expression: MIT\n\nHi\n")
    rows = [f"{info.name}/METADATA,,", f"{info.name}/RECORD,,"]
    for path, data in files.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}")
    (info / "RECORD").write_text("\n".join(rows) + "\n")
    return info


def test_an_environment_is_held_against_its_records(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/python3.11/site-packages"
    install(
        site,
        "demo",
        {"demo/__init__.py": b"x = 1\n", "demo/gone.py": b"", "demo.pth": b"import demo\n"},
    )
    (lock,) = read_path(tmp_path / "venv")
    assert (lock.format, lock.damage, lock.gaps) == (Format.INSTALLED, (), ())
    assert named(lock, "demo").licence == "MIT"
    (site / "demo/__init__.py").write_text("import os\n")
    (site / "demo/gone.py").unlink()
    (site / "evil.pth").write_text("import socket\n")
    (site / "paths.pth").write_text("../other\n")
    (lock,) = read_path(tmp_path / "venv")
    assert sorted(one.kind for one in lock.damage) == ["changed", "missing", "startup"]


def test_records_lead_nowhere_outside(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/python3.11/site-packages"
    info = install(site, "demo", {})
    with (info / "RECORD").open("a") as file:
        file.write("../../../../../../../../etc/passwd,sha256=AAAA,1\n")
    (lock,) = read_path(tmp_path / "venv")
    assert (len(lock.gaps), lock.damage) == (1, ())


def test_a_folder_gives_each_of_its_locks(tmp_path: Path) -> None:
    written(tmp_path, "a/uv.lock", UV)
    written(tmp_path, "b/requirements-dev.txt", "x==1")
    written(tmp_path, "b/pdm.lock", "x")
    written(tmp_path, "node_modules/uv.lock", "broken")
    locks = read_path(tmp_path)
    assert [lock.path for lock in locks] == ["a/uv.lock", "b/pdm.lock", "b/requirements-dev.txt"]
    assert [len(lock.gaps) for lock in locks] == [0, 1, 0]


def test_nothing_there_is_told(tmp_path: Path, as_nobody: Callable[..., str]) -> None:
    with pytest.raises(SubjectError):
        read_path(tmp_path / "none.lock")
    file = written(tmp_path, "uv.lock", UV)
    file.chmod(0)

    def attempt() -> str:
        try:
            read_path(file)
        except CheckError as error:
            return error.code
        return "read"

    tmp_path.chmod(0o755)
    assert as_nobody(attempt) == "TG-CHK/bad-lock"


NOISE = [
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "=",
    ":",
    "\n",
    "#",
    "\\",
    "@",
    "-",
    "\x00",
    "é",
    "{}",
    "[]",
    "null",
]


def noisy(text: str, rng: random.Random) -> str:
    """Cut, repeat and insert at random."""
    for _ in range(rng.randrange(1, 5)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.randrange(1, 30))
        text = rng.choice(
            [
                text[:start] + text[end:],
                text[:start] + rng.choice(NOISE) + text[start:],
                text[:start] + text[start:end] * rng.randrange(2, 9) + text[end:],
                text[:start] + rng.choice(NOISE) + text[end:],
            ]
        )
    return text


@pytest.mark.parametrize("name", [*LOCKS, "conda-lock.yml", "conda-linux-64.lock"])
def test_noise_ends_in_an_answer_or_a_typed_error(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    explicit = f"@EXPLICIT\nhttps://[c]/forge/noarch/t-1-h_0.conda#{SHA}\n"
    text = LOCKS[name][0] if name in LOCKS else CONDA_LOCK if "yml" in name else explicit
    for _ in range(150):
        file = written(tmp_path, name, noisy(text, rng))
        with suppress(CheckError):
            judge_locks(read_path(file, tmp_path), Expectations(("demo*",), indexes=("https://x",)))


@pytest.mark.parametrize("version", ["{}", "[1]", '"1"', "2"])
def test_versions_that_are_not_known_are_told(version: str, tmp_path: Path) -> None:
    with pytest.raises(CheckError):
        read(tmp_path, "uv.lock", UV.replace("version = 1\n", f"version = {version}\n", 1))
