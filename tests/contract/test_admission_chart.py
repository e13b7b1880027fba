"""The chart: rendered by Go's template engine, checked against the schemas of Kubernetes."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "admission"
VERSIONS = ("1.28", "1.31", "1.34")
GLASS = {"groups": ["sre: on call"], "storage": "1Gi", "storageClassName": "fast"}
pytestmark = pytest.mark.slow


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(out.get(key), dict)
            out[key] = merged(out[key], value) if both else value
    return out


DEFAULTS = load(CHART / "values.yaml")
EXAMPLE = load(ROOT / "deploy" / "example-values.yaml")


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("no Go to render with: apt-get install -y golang-go")
    program = tmp_path_factory.mktemp("chart") / "render"
    source = ROOT / "tools" / "chart" / "main.go"
    subprocess.run(["go", "build", "-o", program, source], check=True, cwd=program.parent)
    return program


def render(program: Path, *layers: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    values = merged(DEFAULTS, EXAMPLE, *layers)
    jsonschema.validate(values, json.loads((CHART / "values.schema.json").read_text("utf-8")))
    done = subprocess.run(
        [program, CHART, "tidegate", "tidegate-system"],
        input=json.dumps(values), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, [one for one in yaml.safe_load_all(done.stdout) if one]


VARIANTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "enforcing": {"mode": "enforce", "failurePolicy": "Fail", "refuseOld": True, "replicas": 3},
    "with break-glass": {"breakGlass": GLASS, "images": ["reg.example/*"], "schemes": ["abfss"]},
}


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_every_object_is_valid(renderer: Path, variant: str) -> None:
    _, objects = render(renderer, VARIANTS[variant])
    assert {one["kind"] for one in objects} == {
        "ServiceAccount", "StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy",
        "ValidatingWebhookConfiguration",
    }  # fmt: skip
    for one in objects:
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_its_command_is_one_that_the_cli_takes(renderer: Path, variant: str) -> None:
    """A flag that was renamed would be seen by nobody until the pods crash."""
    from tidegate.cli.webhook import app  # noqa: PLC0415 - only here

    _, objects = render(renderer, VARIANTS[variant])
    container = by_kind(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    words = [*container["command"], *container["args"]]
    assert words[:3] == ["tidegate", "serve", "webhook"]
    _, bound, ignored = app.parse_args(words[3:], exit_on_error=False, print_error=False)
    assert not ignored
    given = bound.arguments
    assert given["releases"] == Path("/releases")
    assert given.get("warn", False) is (variant != "enforcing")
    assert tuple(given.get("break_glass", ())) == (
        ("sre: on call",) if variant == "with break-glass" else ()
    )


def test_it_may_do_nothing_but_answer(renderer: Path) -> None:
    """No role, no token, no way out, no write but its spool; the system is exempt."""
    _, objects = render(renderer)
    assert not by_kind(objects, "ServiceAccount")["automountServiceAccountToken"]
    pod = by_kind(objects, "StatefulSet")["spec"]["template"]["spec"]
    assert not pod["automountServiceAccountToken"]
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "@sha256:" in container["image"]
    written = [one["name"] for one in container["volumeMounts"] if not one.get("readOnly")]
    assert written == ["spool"]
    policy = by_kind(objects, "NetworkPolicy")["spec"]
    assert "egress" not in policy
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (hook,) = by_kind(objects, "ValidatingWebhookConfiguration")["webhooks"]
    exempt = hook["namespaceSelector"]["matchExpressions"][0]["values"]
    assert {"kube-system", "tidegate-system"} <= set(exempt)
    assert (hook["failurePolicy"], hook["sideEffects"]) == ("Ignore", "NoneOnDryRun")


def test_the_manifests_are_the_chart(renderer: Path) -> None:
    """deploy/admission.yaml is what the chart gives for deploy/example-values.yaml."""
    text, _ = render(renderer)
    assert (ROOT / "deploy" / "admission.yaml").read_text("utf-8") == text


@pytest.mark.parametrize(
    "wrong",
    [{"image": {"digest": "latest"}}, {"mode": "off"}, {"trustPin": ""}, {"unknown": 1}],
)
def test_values_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    jsonschema.validate(merged(DEFAULTS, EXAMPLE), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(merged(DEFAULTS, EXAMPLE, wrong), schema)


def by_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(one for one in objects if one["kind"] == kind)
