"""Each format says the same, parses, and gives hostile strings no meaning."""

import json
import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from markdown_it import MarkdownIt

from tidegate.core.decision import Decision
from tidegate.core.finding import Coverage, Finding, Skipped
from tidegate.core.stage import Outcome
from tidegate.report import Format, Report, Style, render
from tidegate.report.schemas import NAMES, schema
from tidegate.report.untrusted import clip, plain

MakeFinding = Callable[..., Finding]
MakeDecision = Callable[..., Decision]

STYLE = Style(version="1.2.3", width=100, explain=True)


@pytest.mark.parametrize("form", Format)
def test_no_format_lets_invisible_or_control_characters_through(
    form: Format, hostile: list[Report]
) -> None:
    for report in hostile:
        text = render(report, form, STYLE)
        assert all(line.isprintable() for line in text.removesuffix("\n").split("\n"))
        text.encode("utf-8")


@pytest.mark.parametrize("form", Format)
def test_the_outcome_is_named_in_every_format(form: Format, hostile: list[Report]) -> None:
    for report in hostile:
        assert report.outcome.value in render(report, form, STYLE).lower()


@pytest.mark.parametrize("form", [Format.JSON, Format.SARIF])
def test_json_documents_parse_and_hold_no_tags(form: Format, hostile: list[Report]) -> None:
    for report in hostile:
        text = render(report, form, STYLE)
        assert "<" not in text
        assert json.loads(text)


def test_json_keeps_every_string_exactly(hostile: list[Report]) -> None:
    decision, scan = (json.loads(render(report, Format.JSON)) for report in hostile)
    assert decision["subjects"][0]["name"] == hostile[0].subjects[0].name
    assert scan["title"] == hostile[1].title


def test_json_fits_the_shipped_schemas(hostile: list[Report]) -> None:
    for report in hostile:
        document = json.loads(render(report, Format.JSON))
        jsonschema.validate(document, schema(document["schema"]))


def test_the_shipped_schemas_are_schemas_and_refuse_strangers() -> None:
    for name in NAMES:
        jsonschema.Draft202012Validator.check_schema(schema(name))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"schema": name, "surprise": 1}, schema(name))


def test_json_lines_begin_with_coverage_and_end_with_the_outcome(hostile: list[Report]) -> None:
    for report in hostile:
        records = [json.loads(line) for line in render(report, Format.JSONL).splitlines()]
        assert records[0]["type"] == "coverage"
        assert records[-1]["type"] == "outcome"
        assert records[-1]["exitCode"] == report.exit_code


def test_sarif_is_complete_and_fits_the_specification(hostile: list[Report]) -> None:
    for report in hostile:
        log = json.loads(render(report, Format.SARIF, STYLE))
        jsonschema.validate(log, SARIF)
        results = log["runs"][0]["results"]
        rules = log["runs"][0]["tool"]["driver"]["rules"]
        assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)
        assert {"TG-REG-03/pickle-call", "TG-COVERAGE/not-examined"} <= {
            result["ruleId"] for result in results
        }


def test_sarif_shows_what_is_undecided_as_failing(decision: MakeDecision) -> None:
    """A viewer that drops other kinds must not see a clean file."""
    report = Report.of_decision(decision(outcome=Outcome.UNDECIDED, checks=(), rules=()))
    run = json.loads(render(report, Format.SARIF))["runs"][0]
    assert [result["kind"] for result in run["results"]] == ["fail"]
    assert not run["invocations"][0]["executionSuccessful"]


def test_sarif_fingerprints_are_stable_and_distinct(finding: MakeFinding) -> None:
    def prints(*findings: Finding) -> list[str]:
        report = Report.of_findings("scan", findings, Coverage(1, 1))
        results = json.loads(render(report, Format.SARIF))["runs"][0]["results"]
        return [result["partialFingerprints"]["tidegate/v1"] for result in results]

    one, other = finding("a"), Finding("TG-X-01/y", finding().severity, "m", finding().location)
    assert prints(one) == prints(finding("another message"))
    assert len(set(prints(one, other))) == 2


def test_a_clean_sarif_has_no_results() -> None:
    run = json.loads(render(Report.of_findings("s", [], Coverage(1, 1)), Format.SARIF))["runs"][0]
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"]


def test_junit_parses_and_counts(hostile: list[Report]) -> None:
    for report in hostile:
        suite = ET.fromstring(render(report, Format.JUNIT))[0]  # noqa: S314 - our own
        found = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error")}
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(suite.attrib["failures"]) == found["failure"] > 0
        assert int(suite.attrib["errors"]) == found["error"] > 0


@pytest.mark.parametrize(
    ("coverage", "kind"),
    [(Coverage(2, 1, (Skipped("b", "big"),)), "error"), (Coverage(1, 1), None)],
)
def test_junit_undecided_is_an_error_and_nothing_is_skipped(
    coverage: Coverage, kind: str | None
) -> None:
    text = render(Report.of_findings("scan", [], coverage), Format.JUNIT)
    suite = ET.fromstring(text)[0]  # noqa: S314 - our own
    assert suite.attrib["skipped"] == "0"
    assert [child.tag for case in suite for child in case] == ([kind] * 2 if kind else [])


def test_markdown_renders_without_links_tags_or_broken_tables(hostile: list[Report]) -> None:
    for report in hostile:
        page = MarkdownIt("gfm-like", {"linkify": False}).render(
            render(report, Format.MARKDOWN, STYLE)
        )
        tags = set(re.findall(r"<(/?\w+)", page))
        assert not {tag for tag in tags if tag.strip("/") in {"a", "img", "script", "s"}}
        rows = re.findall(r"<tr>(.*?)</tr>", page, flags=re.DOTALL)
        assert {len(re.findall(r"<t[hd]", row)) for row in rows} == {4}
        assert not re.search(r"@\w|://|www\.", render(report, Format.MARKDOWN, STYLE))


def test_annotations_hold_one_command_a_line(hostile: list[Report]) -> None:
    for report in hostile:
        for line in render(report, Format.GITHUB).splitlines():
            match = re.fullmatch(r"::(error|warning|notice) ([^:]*)::.*", line)
            assert match is not None
            keys = [pair.partition("=")[0] for pair in match[2].split(",")]
            assert set(keys) <= {"file", "line", "title"}
            assert "%" not in re.sub(r"%(25|3A|2C)", "", line)


def test_text_begins_with_coverage_then_outcome(decision: MakeDecision) -> None:
    lines = render(Report.of_decision(decision()), Format.TEXT).splitlines()
    assert re.fullmatch(r"coverage   1 of 3 \w+ examined, 1 skipped, 1 failed", lines[0])
    outcome = next(line for line in lines if line.startswith("DENY"))
    assert lines.index(outcome) < 4


def test_text_explains_facts_with_their_log_index_only_when_asked(decision: MakeDecision) -> None:
    report = Report.of_decision(decision())
    short = render(report, Format.TEXT)
    full = render(report, Format.TEXT, Style(width=200, explain=True))
    assert "train.verified" not in short
    assert "train.verified: missing (log 12 the evidence of train is missing)" in full


def test_text_shows_what_a_detector_was_measured_to_do(decision: MakeDecision) -> None:
    text = render(Report.of_decision(decision()), Format.TEXT, Style(width=200))
    assert "recall 0.97 [0.94, 0.99] at false-positive rate 0.01 on a corpus" in text


def test_text_paints_only_when_told(decision: MakeDecision) -> None:
    report = Report.of_decision(decision())
    assert "\x1b" not in render(report, Format.TEXT)
    assert "\x1b[31mDENY" in render(report, Format.TEXT, Style(colour=True))


@pytest.mark.parametrize("form", [Format.TEXT, Format.MARKDOWN, Format.GITHUB])
def test_reports_for_people_stay_small(form: Format, finding: MakeFinding) -> None:
    report = Report.of_findings("scan", [finding("x" * 10_000)] * 5_000, Coverage(1, 1))
    text = render(report, form)
    assert len(text) < 300_000
    assert "more" in text


def test_visible_text_is_kept_and_the_rest_is_escaped() -> None:
    assert plain("Zürich 東京 🦊 a b") == "Zürich 東京 🦊 a b"
    assert plain("\x00\x9b\u202e\U000e0041\ud800") == r"\x00\x9b\u202e\U000e0041\ud800"
    assert len(clip("\x00" * 100, 20)) == 20


_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
_URI = {"type": "string", "pattern": r"^[A-Za-z0-9._~/!%-]+$"}
# The parts of SARIF 2.1.0 that we write, from the specification's sections 3.13 to 3.30.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "tool": {"type": "object", "required": ["driver"]},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "invocations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["executionSuccessful"],
                        "properties": {"exitCode": {"type": "integer"}},
                    },
                },
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                "properties": {"type": "object"},
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "level"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "kind": {"const": "fail"},
                "message": _TEXT,
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "partialFingerprints": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                },
                "properties": {"type": "object"},
            },
        },
        "location": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {"type": "object", "properties": {"uri": _URI}},
                        "region": {
                            "type": "object",
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1},
                                "byteOffset": {"type": "integer", "minimum": 0},
                            },
                        },
                    },
                },
                "logicalLocations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"name": {"type": "string"}, "kind": {"type": "string"}},
                    },
                },
            },
        },
    },
}
