"""``scan`` exits with 0 only when everything was examined and is clean."""

import io
import json
import os
import pickle
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.sites import Tidegate

from tidegate.report.schemas import schema

EVIL = b"cos\nsystem\n(S'id'\ntR."
CLEAN = pickle.dumps({"weights": [1, 2, 3]})


def folder(files: dict[str, bytes]) -> str:
    for name, data in files.items():
        path = Path("m") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    Path("m").mkdir(exist_ok=True)
    return "m"


CASES: dict[str, tuple[dict[str, bytes], int]] = {
    "clean": ({"a.pkl": CLEAN}, 0),
    "clean with text": ({"a.pkl": CLEAN, "README": b"hello\n"}, 0),
    "code that would run": ({"a.pkl": EVIL}, 1),
    "one of two": ({"a.pkl": CLEAN, "b.pkl": EVIL}, 1),
    "cut off": ({"a.pkl": CLEAN[:-4]}, 4),
    "clean and cut off": ({"a.pkl": CLEAN, "b.pkl": CLEAN[:-4]}, 4),
    "code and cut off": ({"a.pkl": EVIL, "b.pkl": CLEAN[:-4]}, 1),
    "nothing": ({}, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_exit_codes(case: str, tidegate: Tidegate) -> None:
    files, code = CASES[case]
    ran = tidegate("scan", folder(files), "--format", "json")
    assert (ran.code, ran.json["exitCode"]) == (code, code)


def test_a_file_alone_and_standard_input_are_scanned_alike(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder({"a.pkl": EVIL})
    by_path = tidegate("scan", "m/a.pkl", "--format", "json")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(EVIL)))
    piped = tidegate("scan", "-", "--format", "json")
    assert (by_path.code, piped.code) == (1, 1)
    assert by_path.json["subjects"][0]["digest"] == piped.json["subjects"][0]["digest"]
    assert by_path.json["findings"][0]["rule"] == piped.json["findings"][0]["rule"]


def test_every_format_is_written(tidegate: Tidegate) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    forms = ("text", "json", "jsonl", "sarif", "junit", "markdown", "github")
    arguments = [word for form in forms for word in ("--format", form, "--output", f"{form}.out")]
    assert tidegate("scan", folder({"a.pkl": EVIL}), *arguments).code == 1
    texts = {form: Path(f"{form}.out").read_text() for form in forms}
    jsonschema.validate(json.loads(texts["json"]), schema("report/v1"))
    assert json.loads(texts["sarif"])["version"] == "2.1.0"
    assert json.loads(texts["jsonl"].splitlines()[-1])
    ET.fromstring(texts["junit"])  # noqa: S314 - our own output
    missing = [form for form in forms if "TG-REG-03" not in texts[form].replace("\\", "")]
    assert missing == []


def test_fail_on_moves_the_line(tidegate: Tidegate) -> None:
    place = folder({"a.pkl": EVIL})
    severity = tidegate("scan", place, "--format", "json").json["findings"][0]["severity"]
    assert tidegate("scan", place, "--fail-on", severity).code == 1
    if severity != "critical":
        assert tidegate("scan", place, "--fail-on", "critical").code == 0


def test_a_time_limit_that_is_spent_is_never_clean(tidegate: Tidegate) -> None:
    assert tidegate("scan", folder({"a.pkl": CLEAN}), "--time-limit", "0s").code == 4
    assert tidegate("scan", folder({"a.pkl": CLEAN}), "--time-limit", "soon").code == 2


def test_wrong_paths_are_told(tidegate: Tidegate) -> None:
    missing = tidegate("scan", "nowhere")
    assert (missing.code, "nowhere" in missing.err) == (2, True)
    assert tidegate("scan").code == 2
    option = tidegate("scan", "--fromat=json")
    assert (option.code, "--fromat" in option.err) == (2, True)


def test_links_and_special_files_are_not_passed_over(tidegate: Tidegate) -> None:
    folder({"a.pkl": CLEAN})
    Path("m/link").symlink_to("a.pkl")
    assert tidegate("scan", "m").code == 4
    Path("m/link").unlink()
    os.mkfifo("m/pipe")
    assert tidegate("scan", "m").code == 4


def test_a_folder_that_can_not_be_listed_is_undecided(
    tidegate: Tidegate, as_nobody: Callable[..., str]
) -> None:
    folder({"a.pkl": CLEAN, "sub/b.pkl": CLEAN})
    Path("m/sub").chmod(0)
    assert as_nobody(lambda: tidegate("scan", "m").code) == "4"
    Path("m/sub").chmod(0o700)


def test_nothing_that_a_model_says_is_run(tidegate: Tidegate) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch ran",)

    assert tidegate("scan", folder({"t.pkl": pickle.dumps(Trap())})).code == 1
    assert not Path("ran").exists()


def test_several_paths_are_one_report_with_a_table(tidegate: Tidegate) -> None:
    place = folder({"a.pkl": CLEAN, "b.pkl": EVIL, "c.pkl": CLEAN[:-4]})
    ran = tidegate("scan", f"{place}/a.pkl", f"{place}/b.pkl", f"{place}/c.pkl", "--format", "json")
    rows = {file["path"]: (file["status"], file["findings"]) for file in ran.json["files"]}
    assert rows == {
        "m/a.pkl": ("clean", 0),
        "m/b.pkl": ("findings", 1),
        "m/c.pkl": ("inconclusive", 0),
    }
    assert (ran.code, len(ran.json["subjects"])) == (1, 3)
    text = tidegate("scan", place).out
    assert text.index("b.pkl") < text.index("a.pkl  ")
    assert "process without files, network and programs" in " ".join(text.split())
    assert tidegate("scan", f"{place}/a.pkl", "-").code == 2
    assert tidegate("scan", f"{place}/a.pkl", "nowhere").code == 2


def test_what_is_not_clean_is_not_converted(tidegate: Tidegate) -> None:
    Path("a.pkl").write_bytes(EVIL)
    ran = tidegate("scan", "convert", "a.pkl", "a.safetensors", "--format", "json")
    assert (ran.code, ran.json["code"]) == (4, "TG-CHK/not-clean")
    ran = tidegate("scan", "convert", "a.pkl", "a.bin")
    assert ran.code == 2
    assert "--to" in ran.err
    assert [path.name for path in Path().iterdir() if path.name != "state"] == ["a.pkl"]
