"""What runs against what was registered."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.admission.inventory import Registry, compare
from tidegate.admission.running import Running, read_running
from tidegate.app.inventory import registry_of
from tidegate.app.release import publish_summary
from tidegate.core.errors import SubjectError
from tidegate.core.policy.directives import Quarantine
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.models import BETTER, GOOD

OLD, NOW, TEST, ROGUE, HELD = (f"sha256:{letter * 64}" for letter in "abcde")
KNOWN = Registry(
    versions={OLD: ("credit@1",), NOW: ("credit@2",), TEST: ("credit@3",), HELD: ("credit@0",)},
    stages={"credit/prod": (HELD, OLD, NOW), "fraud/prod": (TEST,)},
    recalled=frozenset({HELD}),
    resources={"s3://models/credit": NOW, ROGUE.replace("d", "9"): NOW},
)


@pytest.mark.parametrize(
    ("running", "rules"),
    [
        (Running("x", digest=NOW, name="credit/prod"), []),
        (Running("x", digest=NOW), []),
        (Running("x", digest=ROGUE), ["rogue"]),
        (Running("x", uri="s3://elsewhere/credit"), ["rogue"]),
        (Running("x"), ["rogue"]),
        (Running("x", uri="s3://models/credit"), ["unpinned"]),
        (Running("x", uri="oci://r/credit", digest=ROGUE.replace("d", "9")), []),
        (Running("x", digest=OLD, name="credit/prod"), ["outdated"]),
        (Running("x", digest=OLD), ["outdated"]),
        (Running("x", digest=TEST, name="credit/prod"), ["other-digest"]),
        (Running("x", digest=HELD, name="credit/prod"), ["recalled"]),
    ],
)
def test_each_kind_of_stranger(running: Running, rules: list[str]) -> None:
    found = compare((running,), KNOWN)
    assert [one.rule.partition("/")[2] for one in found] == rules


def test_what_was_admitted_and_never_promoted() -> None:
    """A test version serves nobody."""
    registry = Registry(versions={TEST: ("credit@3",)})
    (found,) = compare((Running("Pod shop/a", digest=TEST),), registry)
    assert found.rule == "TG-MON-06/unreleased"
    assert found.location.path == "Pod shop/a"


def _pod(**spec: Any) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "scoring-1", "annotations": spec.pop("annotations", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec,
            "status": spec.pop("status", {})}  # fmt: skip


def test_pods_as_kubectl_writes_them() -> None:
    """The same places as the webhook's; digests from URIs, annotations and the node's status."""
    pods = [
        _pod(
            annotations={"tidegate/digest": OLD, "tidegate/deployment": "credit/prod"},
            containers=[
                {"name": "server", "image": "registry/server:1"},
                {"name": "i", "image": "x", "env": [{"name": "STORAGE_URI", "value": "s3://m"}]},
            ],
        ),
        _pod(
            containers=[{"name": "modelcar-1", "image": "registry/credit:2"}],
            status={"containerStatuses": [
                {"image": "registry/credit:2", "imageID": f"docker-pullable://r/credit@{NOW}"},
            ]},
        ),
        _pod(volumes=[{"name": "m", "image": {"reference": f"registry/credit@{NOW}"}}]),
    ]  # fmt: skip
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}).encode()
    found = read_running(listed)
    assert found.unread == ()
    assert [(one.uri, one.digest, one.name) for one in found.models] == [
        ("s3://m", OLD, "credit/prod"),
        ("oci://registry/credit:2", NOW, ""),
        (f"oci://registry/credit@{NOW}", NOW, ""),
    ]
    assert found.models[0].where == "Pod shop/scoring-1 spec.containers[1].env[0]"
    served = read_running(listed, images=["registry/server:*"])
    assert len(served.models) == 4


def test_what_can_not_be_read_is_told_line_by_line() -> None:
    """And the rest is still compared."""
    lines = b'{"digest": "sha256:zz"}\n\nnonsense\n{"uri": 3}\n{"url": "x"}\n{"uri": "s3://a"}\n'
    found = read_running(lines)
    assert [one.uri for one in found.models] == ["s3://a"]
    assert [one.what for one in found.unread] == ["line 1", "line 3", "line 4", "line 5"]


def test_an_object_that_is_too_deep_is_told() -> None:
    deep: Any = {}
    for _ in range(60):
        deep = {"a": deep}
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": [_pod(x=deep), 3]})
    found = read_running(body.encode())
    assert [one.what for one in found.unread] == ["Pod shop/scoring-1", "items[1]"]


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_no_input_ends_it(data: bytes) -> None:
    """Read, told as unread, or refused; nothing else."""
    try:
        found = read_running(data)
    except SubjectError:
        return
    compare(found.models, KNOWN)


@pytest.mark.slow
def test_the_registry_as_the_log_has_it(tmp_path: Path) -> None:
    """Promoted, replaced, recalled: each is seen on the next look."""
    arena = Arena.make(tmp_path)
    first, second = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    first.write_bytes(GOOD.encoded())
    second.write_bytes(BETTER.encoded())
    arena.promoted(first, "1")
    prod = f"{MODEL}/prod"
    one = str(arena.workspace.directives().resolve(prod))
    runs = (Running("a", digest=one), Running("b", uri="s3://models/credit"))

    def rules() -> list[str]:
        found = compare(runs, registry_of(arena.workspace))
        return [finding.rule.partition("/")[2] for finding in found]

    assert rules() == ["rogue"]
    arena.approve(arena.registered(second, "2"))
    promoted = arena.promote(second, "2")
    publish_summary(arena.workspace, promoted, prod, resource="s3://models/credit")
    assert rules() == ["outdated", "unpinned"]
    arena.workspace.act(Quarantine(digest=one, reason="a trigger"))
    assert rules() == ["recalled", "unpinned"]
