"""Every configuration error names the file, the line and the key; nothing is silently ignored."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from tidegate.config import load, schema, shown
from tidegate.config.environment import variables
from tidegate.config.model import Isolation, PolicyMode
from tidegate.core.errors import ConfigError

FULL = """\
# a comment with [brackets] and = signs
workspace.name = "credit"

[store]
url = "postgresql://bob:hunter2@db/tidegate"
busy_timeout = "250ms"

[policy]
mode = "warn"

[[ledger.witnesses]]
name = "w1"
key = "w1+abc+def"

[[ledger.witnesses]]
name = "w2"
key = "w2+abc+def"

[ledger]
witness_threshold = 2

[gateway]
token = "a-very-secret-token"
max_body = "64KiB"

[detectors]
enabled = [
  "one",
  "two",
]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "tidegate.toml").write_text(text, encoding="utf-8")
    return folder


def test_no_file_means_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path, {})
    assert loaded.settings.policy.mode is PolicyMode.ENFORCE
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.file is None


def test_a_file_is_read_with_units_and_origins(tmp_path: Path) -> None:
    text = FULL.replace("[ledger]\nwitness_threshold = 2\n\n", "")
    loaded = load(write(tmp_path, text), {})
    settings = loaded.settings
    assert settings.store.busy_timeout == 250_000
    assert settings.gateway.max_body == 65_536
    assert [witness.name for witness in settings.ledger.witnesses] == ["w1", "w2"]
    assert settings.detectors.enabled == ("one", "two")
    lines = text.splitlines()
    for key, origin in loaded.origins.items():
        if origin != "default":
            line = lines[int(origin.partition(":")[2]) - 1]
            assert key.rpartition(".")[2] in line


def test_the_environment_wins_over_the_file_over_the_default(tmp_path: Path) -> None:
    write(tmp_path, '[store]\nurl = "sqlite:///file.db"\n[policy]\nmode = "warn"\n')
    loaded = load(tmp_path, {"TIDEGATE_STORE__URL": "sqlite:///env.db"})
    assert loaded.settings.store.url == "sqlite:///env.db"
    assert loaded.origins["store.url"] == "environment TIDEGATE_STORE__URL"
    assert loaded.origins["policy.mode"] == "tidegate.toml:4"
    assert loaded.origins["store.blobs"] == "default"


def test_the_environment_is_typed_like_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        {
            "TIDEGATE_STORE__BUSY_TIMEOUT": "15m",
            "TIDEGATE_STORE__BLOBS": "/var/blobs",
            "TIDEGATE_SANDBOX__PROCESSES": "12",
            "TIDEGATE_SANDBOX__TIER": "cgroup",
            "TIDEGATE_SIGNING__PRINCIPAL": "12",
            "TIDEGATE_DETECTORS__ENABLED": "one, two",
        },
    ).settings
    assert settings.store.busy_timeout == 15 * 60 * 1_000_000
    assert settings.store.blobs == Path("/var/blobs")
    assert settings.sandbox.processes == 12
    assert settings.sandbox.tier is Isolation.CGROUP
    assert settings.signing.principal == "12"
    assert settings.detectors.enabled == ("one", "two")


def test_other_variables_are_left_alone(tmp_path: Path) -> None:
    load(tmp_path, {"TIDEGATE_DEBUG": "1", "TIDEGATE_TEST_POSTGRES": "x", "HOME": "/", "TIDE": "x"})


@dataclass(frozen=True)
class Bad:
    name: str
    text: str
    slug: str
    line: int
    says: str
    hint: str = ""


BAD = (
    Bad("unknown key", '[store]\n\nurll = "x"\n', "unknown-key", 3, "store.urll", "'url'"),
    Bad("unknown section", '[stoer]\nurl = "x"\n', "unknown-key", 1, "stoer", "'store'"),
    Bad(
        "unknown far from any", "[store]\nqqqqqq = 1\n", "unknown-key", 2, "store.qqqqqq", "remove"
    ),
    Bad("unknown top key", "a = 1\n", "unknown-key", 1, "'a'"),
    Bad("dotted", 'store.urll = "x"\n', "unknown-key", 1, "store.urll", "'url'"),
    Bad("inline table", '\nstore = {urll = "x"}\n', "unknown-key", 2, "store.urll", "'url'"),
    Bad(
        "in the second of an array of tables",
        '[[ledger.witnesses]]\nname="a"\nkey="k"\n[[ledger.witnesses]]\nname="b"\nkey="k"\nulr="x"\n',
        "unknown-key",
        7,
        "ledger.witnesses.1.ulr",
        "'url'",
    ),
    Bad(
        "after strings that look like keys",
        '[store]\nurl = """\n[gateway]\nurll = 1\n"""\nurll = "x"\n',
        "unknown-key",
        6,
        "store.urll",
    ),
    Bad(
        "after an array over lines",
        '[detectors]\nenabled = [\n "[x]", # ]\n]\nenable = []\n',
        "unknown-key",
        5,
        "detectors.enable",
    ),
    Bad("a number as text", '[sandbox]\nprocesses = "12"\n', "bad-value", 2, "sandbox.processes"),
    Bad("a bare number as duration", "[store]\nbusy_timeout = 15\n", "bad-value", 2, "no unit"),
    Bad("a wrong unit", '[store]\nbusy_timeout = "15 min"\n', "bad-value", 2, "15m"),
    Bad("a wrong size", '[gateway]\nmax_body = "1mb"\n', "bad-value", 2, "64KiB"),
    Bad("a huge size", '[gateway]\nmax_body = "999999999TiB"\n', "bad-value", 2, "too large"),
    Bad(
        "a wrong choice", '\n[policy]\nmode = "enfroce"\n', "bad-value", 3, "shadow, warn, enforce"
    ),
    Bad("out of range", "[gateway]\nburst = 0\n", "bad-value", 2, "gateway.burst"),
    Bad("text as section", 'store = "x"\n', "bad-value", 1, "store"),
    Bad("text as list", '[detectors]\nenabled = "x"\n', "bad-value", 2, "detectors.enabled"),
    Bad("unreachable threshold", "\n[ledger]\nwitness_threshold = 1\n", "bad-value", 2, "ledger"),
    Bad("no value", "[store]\nurl =\n", "syntax", 2, "TOML"),
    Bad("a key twice", '[store]\nurl = "a"\nurl = "b"\n', "syntax", 3, "TOML"),
    Bad("an open string", '[store]\nurl = "a\n', "syntax", 2, "TOML"),
    Bad("deep nesting", "a = " + "[" * 5_000 + "\n", "syntax", 1, "TOML"),
)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_errors_name_file_line_and_key(bad: Bad, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, bad.text), {})
    error = caught.value
    assert error.code == f"TG-CFG/{bad.slug}"
    assert (error.where or "").startswith(f"{tmp_path / 'tidegate.toml'}:{bad.line}")
    assert bad.says in error.problem
    assert error.next_step
    assert bad.hint in error.next_step


BAD_VARIABLES = (
    ("TIDEGATE_STORE__ULR", "x", "unknown-variable", "TIDEGATE_STORE__URL"),
    ("TIDEGATE_STOER__URL", "x", "unknown-variable", "TIDEGATE_STORE__URL"),
    ("TIDEGATE_STORE_URL", "x", "unknown-variable", "TIDEGATE_STORE__URL"),
    ("TIDEGATE_DEBG", "1", "unknown-variable", "TIDEGATE_DEBUG"),
    ("TIDEGATE_LEDGER__WITNESSES", "w1", "unknown-variable", "TIDEGATE_LEDGER__WITNESS_THRESHOLD"),
    ("TIDEGATE_QQQ", "1", "unknown-variable", ""),
    ("TIDEGATE_SANDBOX__PROCESSES", "many", "bad-value", "unset"),
    ("TIDEGATE_STORE__BUSY_TIMEOUT", "15", "bad-value", ""),
    ("TIDEGATE_POLICY__MODE", "off", "bad-value", ""),
)


@pytest.mark.parametrize(("name", "value", "slug", "hint"), BAD_VARIABLES)
def test_wrong_variables_are_refused_by_name(
    name: str, value: str, slug: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {name: value})
    assert caught.value.code == f"TG-CFG/{slug}"
    assert caught.value.where == f"environment {name}"
    assert hint in (caught.value.next_step or "")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert caught.value.code == "TG-CFG/unreadable"


@pytest.mark.parametrize(("data", "slug"), [(b"\xff", "encoding"), (b"#" * 1_000_001, "size")])
def test_strange_files_are_refused(data: bytes, slug: str, tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert caught.value.code == f"TG-CFG/{slug}"


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    text = json.dumps(
        shown(load(write(tmp_path, FULL.replace("[ledger]\n", "[x]\n", 0)), {}).settings)
    )
    assert "hunter2" not in text
    assert "a-very-secret-token" not in text
    assert "***" in text


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("postgresql://bob:p@ss:w/rd@db:5432/x", "postgresql://bob:***@db:5432/x"),
        ("postgresql://:pw@db/x", "postgresql://:***@db/x"),
        (
            "postgresql://db/x?user=bob&sslpassword=pw&a=b",
            "postgresql://db/x?user=bob&sslpassword=***&a=b",
        ),
        ("postgresql://bob@db:5432/x", "postgresql://bob@db:5432/x"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
    ],
)
def test_passwords_in_addresses_are_hidden(url: str, hidden: str, tmp_path: Path) -> None:
    settings = load(tmp_path, {"TIDEGATE_STORE__URL": url}).settings
    assert shown(settings)["store"]["url"] == hidden


def test_every_setting_has_a_variable_a_description_and_a_default(tmp_path: Path) -> None:
    origins = load(tmp_path, {}).origins
    settable = {f"{section}.{key}" for section, key in variables().values()}
    assert set(origins) - settable == {"ledger.witnesses"}
    assert settable < set(origins)
    definitions = schema()["$defs"]
    for definition in definitions.values():
        for key, value in definition.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, key


def test_the_schema_accepts_what_the_loader_accepts(tmp_path: Path) -> None:
    document = tomllib.loads(FULL.replace("[ledger]\nwitness_threshold = 2\n\n", ""))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"store": {"urll": "x"}}, schema())
    assert schema()["$defs"]["Store"]["properties"]["busy_timeout"]["default"] == "30s"
    assert jsonschema.Draft202012Validator(schema()).is_valid(shown(load(tmp_path, {}).settings)), (
        "the defaults are valid as they are shown"
    )
