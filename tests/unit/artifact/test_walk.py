"""A folder that may be hostile: what is yielded, and what is refused by which slug."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.core.artifact.manifest import build_manifest
from tidegate.core.artifact.walk import Limits, Links, walk
from tidegate.core.errors import SubjectError, UnreadableSubject


def paths(root: Path, **options: object) -> list[str]:
    return [entry.path for entry in walk(root, **options)]  # type: ignore[arg-type]  # tests pass what fits


def refused(root: Path, **options: object) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        paths(root, **options)
    assert caught.value.next_step
    return caught.value


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_files_come_in_the_order_of_their_utf8_paths(tmp_path: Path) -> None:
    """``a-b`` sorts before ``a/…`` and ``a.txt`` too, as bytes do."""
    names = ["a/z", "a-b", "a.txt", "a0", "B", "é", "z/é/x", "𐐷", "\uffee"]
    write(tmp_path, *names)
    assert paths(tmp_path) == sorted(names, key=str.encode)


def test_an_entry_knows_its_size_and_opens_its_file(tmp_path: Path) -> None:
    write(tmp_path, "d/f")
    for entry in walk(tmp_path):
        assert entry.size == 3
        fd = entry.open()
        assert os.read(fd, 10) == b"d/f"
        os.close(fd)


def test_hard_links_and_sparse_files_are_files(tmp_path: Path) -> None:
    write(tmp_path, "a")
    os.link(tmp_path / "a", tmp_path / "b")
    os.truncate(tmp_path / "a", 1 << 30)
    assert paths(tmp_path) == ["a", "b"]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a")
    (tmp_path / "link").symlink_to("real")
    assert paths(tmp_path / "link") == ["a"]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ((), [".git/x", "a.py", "b.tmp", "d/c.tmp", "d/e"]),
        ((".git",), ["a.py", "b.tmp", "d/c.tmp", "d/e"]),
        (("*.tmp",), [".git/x", "a.py", "d/e"]),
        (("d/*.tmp", ".git/x"), ["a.py", "b.tmp", "d/e"]),
        (("d",), [".git/x", "a.py", "b.tmp"]),
    ],
)
def test_ignore_patterns_match_paths_and_names(
    tmp_path: Path, ignore: tuple[str, ...], left: list[str]
) -> None:
    write(tmp_path, ".git/x", "a.py", "b.tmp", "d/c.tmp", "d/e")
    assert paths(tmp_path, ignore=ignore) == left


def test_what_is_ignored_is_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, "a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/")
    assert paths(tmp_path, ignore=("pipe", "link")) == ["a"]


def _socket(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "x"))


CASES: list[tuple[str, Callable[[Path], object], str]] = [
    ("FIFO", lambda root: os.mkfifo(root / "x"), "special-file"),
    ("socket", _socket, "special-file"),
    ("link to a file", lambda root: (root / "x").symlink_to("ok"), "symlink"),
    ("link to a folder", lambda root: (root / "x").symlink_to("."), "symlink"),
    ("dangling link", lambda root: (root / "x").symlink_to("gone"), "symlink"),
    ("bytes", lambda root: (root / os.fsdecode(b"x\xff")).touch(), "name-not-utf8"),
    ("newline", lambda root: (root / "x\ny").touch(), "name-control"),
    ("escape", lambda root: (root / "x\x1b[31m").touch(), "name-control"),
    ("C1 control", lambda root: (root / "x\x9b").touch(), "name-control"),
    ("right-to-left override", lambda root: (root / "x\u202efdp.exe").touch(), "name-control"),
    ("line separator", lambda root: (root / "x\u2028").touch(), "name-control"),
    ("case", lambda root: write(root, "Readme", "README"), "case-collision"),
    ("case of folders", lambda root: write(root, "D/a", "d/b"), "case-collision"),
    ("sharp s", lambda root: write(root, "straße", "strasse"), "case-collision"),
    ("NFC and NFD", lambda root: write(root, "\u00e9", "e\u0301"), "unicode-collision"),
    ("NFC and NFD, case", lambda root: write(root, "\u00c9", "e\u0301"), "case-collision"),
]


@pytest.mark.parametrize(("make", "slug"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_each_oddity_is_refused_by_its_slug(
    tmp_path: Path, make: Callable[[Path], object], slug: str
) -> None:
    write(tmp_path, "ok")
    (tmp_path / "deep").mkdir()
    make(tmp_path / "deep")
    error = refused(tmp_path)
    assert error.slug == slug
    assert "/deep/" in str(error.where)
    assert str(error).isprintable()


def test_a_device_is_refused() -> None:
    """The walk stops before it opens one (/dev is full of links and devices)."""
    assert refused(Path("/dev")).slug in {"symlink", "special-file", "unreadable"}


@pytest.mark.parametrize(
    ("limits", "slug"),
    [
        (Limits(files=5), "too-many-files"),
        (Limits(depth=2), "too-deep"),
        (Limits(path_bytes=6), "path-too-long"),
        (Limits(files=6, depth=3, path_bytes=7), None),
    ],
)
def test_bounds(tmp_path: Path, limits: Limits, slug: str | None) -> None:
    write(tmp_path, "a/b/c/d", "e", "f")
    if slug is None:
        assert len(paths(tmp_path, limits=limits)) == 3
    else:
        assert refused(tmp_path, limits=limits).slug == slug


def test_a_chain_of_folders_as_deep_as_the_file_system_allows_is_refused(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(200):
        folder /= "d"
    folder.mkdir(parents=True)
    assert refused(tmp_path).slug == "too-deep"


class TestLinksInside:
    """The stay-inside policy follows a link by hand, from the root's descriptor."""

    def test_links_to_files_and_folders_count_at_their_own_path(self, tmp_path: Path) -> None:
        write(tmp_path, "blobs/1", "snap/x")
        (tmp_path / "snap/model").symlink_to("../blobs/1")
        (tmp_path / "snap/again").symlink_to("./model")
        (tmp_path / "alias").symlink_to("blobs//.")
        found = {}
        for entry in walk(tmp_path, links=Links.INSIDE):
            fd = entry.open()
            found[entry.path] = os.read(fd, 99)
            os.close(fd)
        assert found == {
            "alias/1": b"blobs/1",
            "blobs/1": b"blobs/1",
            "snap/again": b"blobs/1",
            "snap/model": b"blobs/1",
            "snap/x": b"snap/x",
        }

    @pytest.mark.parametrize(
        ("target", "slug"),
        [
            ("/etc/passwd", "link-outside"),
            ("../../etc", "link-outside"),
            ("../d/../../x", "link-outside"),
            ("gone", "broken-link"),
            ("../ok/below-a-file", "broken-link"),
            ("x", "loop"),
            (".", "loop"),
            ("..", "loop"),
            ("../", "loop"),
            ("../pipe", "special-file"),
        ],
    )
    def test_a_bad_target_is_refused(self, tmp_path: Path, target: str, slug: str) -> None:
        write(tmp_path, "ok")
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "d").mkdir()
        (tmp_path / "d/x").symlink_to(target)
        assert refused(tmp_path, links=Links.INSIDE, ignore=("pipe",)).slug == slug

    def test_two_links_that_point_at_each_other_are_a_loop(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        assert refused(tmp_path, links=Links.INSIDE).slug == "loop"

    def test_links_that_multiply_paths_meet_the_bound(self, tmp_path: Path) -> None:
        """Each level links twice to the next: 2**20 paths from 60 entries."""
        for level in range(20):
            (tmp_path / f"l{level}").mkdir()
            for name in "ab":
                (tmp_path / f"l{level}/{name}").symlink_to(f"../l{level + 1}")
        write(tmp_path, "l20/f")
        limits = Limits(files=5_000)
        assert refused(tmp_path, links=Links.INSIDE, limits=limits).slug == "too-many-files"


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    write(tmp_path, "f")
    assert refused(tmp_path / "f").slug == "not-a-folder"
    assert refused(tmp_path / "gone").slug == "no-such-path"


def test_an_empty_folder_yields_nothing(tmp_path: Path) -> None:
    assert paths(tmp_path) == []


def _swap(root: Path) -> None:
    (root / "b").rename(root / "old")
    (root / "b").symlink_to("/etc")


def _swap_file(root: Path) -> None:
    (root / "b" / "f").unlink()
    os.mkfifo(root / "b" / "f")


CHANGES: list[Callable[[Path], object]] = [
    _swap,
    lambda root: write(root, "zzz"),
    lambda root: (root / "b/f").unlink(),
    lambda root: write(root, "b/new"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_changes_during_the_walk_is_refused(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    write(tmp_path, "a", "b/f")
    for folder in (tmp_path / "b", tmp_path):
        os.utime(folder, ns=(0, 0))
    walking = walk(tmp_path)
    assert next(walking).path == "a"
    change(tmp_path)
    with pytest.raises(UnreadableSubject) as caught:
        list(walking)
    assert caught.value.slug == "changed-while-read"


def test_a_file_swapped_after_it_was_listed_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "b/f")
    for entry in walk(tmp_path):
        _swap_file(tmp_path)
        with pytest.raises(UnreadableSubject) as caught:
            entry.open()
        assert caught.value.slug == "changed-while-read"
        break


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    write(tmp_path, *(f"d{n}/e/f" for n in range(5)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    paths(tmp_path)
    next(iter(walk(tmp_path)))
    os.mkfifo(tmp_path / "d4/e/pipe")
    refused(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_without_permission_is_unreadable(
    tmp_path: Path, as_nobody: Callable[..., str]
) -> None:
    write(tmp_path, "d/f")
    (tmp_path / "d").chmod(0)
    assert as_nobody(lambda: build_manifest(tmp_path)) == "TG-SUB/unreadable"
    (tmp_path / "d").chmod(0o755)
