"""The names of code that a file refers to are kept, whether a pack allows them or not."""

import json
import pickle
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import pytest

from tidegate.core.errors import VerificationError
from tidegate.detect.supply import scan_bytes, scan_path
from tidegate.detect.supply.report import MAX_NAMES, FileReport
from tidegate.sandbox.scanner import ConfinedScanner


def _names(data: bytes) -> tuple[str, ...]:
    (file,) = scan_bytes(data, "model").files
    return file.names


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_tell_what_they_import_under_python_3_names(protocol: int) -> None:
    """An advisory names modules of today, whatever the protocol wrote."""
    data = pickle.dumps(OrderedDict(a=1), protocol=protocol)
    assert "collections:OrderedDict" in _names(data)


def test_names_that_no_pack_allows_are_kept_beside_the_finding() -> None:
    """A refused file can still be asked about."""
    report = scan_bytes(b"cos\nsystem\n(S'id'\ntR.", "model.pkl")
    assert report.files[0].names == ("os:system",)
    assert report.findings


def test_keras_and_skops_tell_their_names() -> None:
    """Not only pickles look code up by name."""
    layer = {"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}}
    config = {"class_name": "Sequential", "module": "keras", "config": {"layers": [layer]}}
    assert "keras.layers:Dense" in _names(json.dumps(config).encode())
    node = {
        "__class__": "Thing",
        "__module__": "some.where",
        "__loader__": "ObjectNode",
        "content": {},
    }
    schema = {**node, "__id__": 1, "protocol": 2, "_skops_version": "0.11"}
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    assert "some.where:Thing" in _names(body.getvalue())


def test_a_file_with_more_names_than_are_kept_says_so() -> None:
    """An answer must not be taken as whole where it is cut."""
    lines = b"".join(b"cmodule%d\nname\n0" % at for at in range(MAX_NAMES + 1))
    (file,) = scan_bytes(lines + b"N.", "model.pkl").files
    assert len(file.names) == MAX_NAMES
    assert file.names_cut


def test_a_name_too_long_to_keep_is_told_as_cut() -> None:
    """What is not kept in full is not kept as something else."""
    (file,) = scan_bytes(b"c" + b"m" * 500 + b"\nname\n.", "model.pkl").files
    assert file.names == ()
    assert file.names_cut


@pytest.mark.slow
def test_the_confined_examiner_gives_the_same_names(tmp_path: Path) -> None:
    """The process hands names over with its report."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(OrderedDict(a=1)))
    with ConfinedScanner() as scanner:
        confined = scan_path(path, examiner=scanner)
    assert confined.files[0].names == scan_path(path).files[0].names != ()


def test_a_report_with_too_many_names_is_not_believed() -> None:
    """The process may have been taken over."""
    (file,) = scan_bytes(b"N.", "model.pkl").files
    told = {**file.to_json(), "names": ["a:b"] * (MAX_NAMES + 1)}
    with pytest.raises(VerificationError):
        FileReport.from_json(told)
