"""The webhook: reviews as an API server sends them, answered from a folder of releases."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.proving import ADA, MODEL, OLGA, STRANGER, TRUST, recalls, release

from tidegate.admission.compose import create_admission
from tidegate.admission.settings import AdmissionSettings, Mode
from tidegate.core.clock import DAY, Micros, SystemClock
from tidegate.core.digest import sha256
from tidegate.core.identity.trust import Revocation
from tidegate.core.stage import Outcome
from tidegate.gateway.server import server
from tidegate.gateway.spool_read import read_spool
from tidegate.interop.release import Recalls

URI = "s3://models/credit"
PINNED = "sha256:" + "ab" * 32


@pytest.fixture
def settings(tmp_path: Path) -> AdmissionSettings:
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / "credit.json").write_bytes(release(resource=URI, index=3))
    return AdmissionSettings(releases=folder, trust=TRUST, spool=tmp_path / "spool")


def service(uri: str = URI, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "credit", "annotations": annotations},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": uri}}},
    }


def review(
    body: dict[str, Any] | None,
    *,
    old: dict[str, Any] | None = None,
    operation: str = "CREATE",
    namespace: str = "ml",
    groups: tuple[str, ...] = (),
    dry_run: bool = False,
) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {
                "group": "serving.kserve.io",
                "version": "v1beta1",
                "kind": "InferenceService",
            },
            "resource": {"group": "serving.kserve.io", "version": "v1beta1", "resource": "i"},
            "name": "credit",
            "namespace": namespace,
            "operation": operation,
            "userInfo": {"username": "dev", "groups": list(groups)},
            "object": body,
            "oldObject": old,
            "dryRun": dry_run,
        },
    }


class Cluster:
    """An API server, as far as a webhook can tell."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20)

    def ask(self, body: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        answer = self.client.post("/validate", json=review(body, **more))
        assert answer.status_code == 200
        told = answer.json()
        assert (told["apiVersion"], told["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response = told["response"]
        assert response["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
        assert all(len(text) <= 256 for text in response.get("warnings", []))
        return {**response, "reason": response["auditAnnotations"]["reason"]}


class Webhooks:
    """Starts webhooks, and stops them."""

    def __init__(self) -> None:
        self._running: list[tuple[Any, threading.Thread]] = []

    def start(self, settings: AdmissionSettings) -> Cluster:
        running = server(
            create_admission(settings, SystemClock()), "127.0.0.1", 0, headers=8_192,
            connections=64,
        )  # fmt: skip
        thread = threading.Thread(target=running.run, daemon=True)
        thread.start()
        self._running.append((running, thread))
        deadline = time.monotonic() + 20
        while not running.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = running.servers[0].sockets[0].getsockname()[1]
        return Cluster(f"http://127.0.0.1:{port}")

    def stop(self) -> None:
        for running, thread in self._running:
            running.should_exit = True
            thread.join(20)


@pytest.fixture
def webhooks() -> Iterator[Webhooks]:
    made = Webhooks()
    yield made
    made.stop()


@pytest.fixture
def cluster(webhooks: Webhooks, settings: AdmissionSettings) -> Cluster:
    return webhooks.start(settings)


def test_what_was_released_comes_in(cluster: Cluster) -> None:
    """The benign twin: and it is told that its URI pins nothing."""
    answer = cluster.ask(service())
    assert (answer["allowed"], answer["reason"]) == (True, "released")
    assert "does not pin its content" in answer["warnings"][0]
    stated = cluster.ask(service(**{"tidegate/digest": str(MODEL)}))
    assert stated["allowed"]
    assert "warnings" not in stated


@pytest.mark.parametrize(
    ("uri", "annotations", "reason"),
    [
        ("s3://models/other", {}, "not-released"),
        (URI + "/", {}, "not-released"),
        ("ftp://models/credit", {}, "unknown-scheme"),
        ("acme/model", {}, "unknown-scheme"),
        (URI, {"tidegate/digest": str(sha256(b"swapped"))}, "other-digest"),
        (f"oci://reg.example/m@{PINNED}", {}, "not-released"),
        (URI, {"tidegate/digest": str(MODEL), "tidegate/break-glass": "please"}, "released"),
        ("s3://models/other", {"tidegate/break-glass": "please"}, "not-released"),
    ],
)
def test_only_what_was_released_comes_in(
    cluster: Cluster, uri: str, annotations: dict[str, str], reason: str
) -> None:
    answer = cluster.ask(service(uri, **annotations))
    assert answer["reason"] == reason
    assert answer["allowed"] == (reason == "released")
    if not answer["allowed"]:
        assert answer["status"]["code"] == 403
        assert uri.rstrip("/") in answer["status"]["message"]


FORGED: dict[str, dict[str, Any]] = {
    "stranger": {"key": STRANGER},
    "auditor": {"key": ADA},
    "drill": {"kind": "drill"},
    "failed": {"outcome": Outcome.DENY},
    "undecided": {"outcome": Outcome.UNDECIDED},
    "other predicate": {"predicate_type": "urn:example:v1"},
}


@pytest.mark.parametrize("how", list(FORGED))
def test_a_file_that_does_not_verify_lets_nothing_in(
    webhooks: Webhooks, settings: AdmissionSettings, how: str
) -> None:
    uri = "s3://models/evil"
    (settings.releases / "evil.json").write_bytes(release(resource=uri, **FORGED[how]))
    cluster = webhooks.start(settings)
    assert not cluster.ask(service(uri))["allowed"]
    assert cluster.ask(service())["allowed"]
    ready = cluster.client.get("/readyz").json()
    assert [one["file"] for one in ready["troubles"]] == ["evil.json"]


def test_every_changed_byte_of_a_release_is_seen(settings: AdmissionSettings) -> None:
    """A release says nothing once it was touched, except where JSON has another spelling."""
    from tidegate.admission.shelf import ShelfReader  # noqa: PLC0415 - only here

    path = settings.releases / "credit.json"
    whole = path.read_bytes()
    reader = ShelfReader(settings.releases, TRUST, SystemClock(), every=0)
    original = reader.shelf().by_resource[URI]
    step = max(1, len(whole) // 250)
    for at in range(0, len(whole), step):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        found = ShelfReader(settings.releases, TRUST, SystemClock(), every=0).shelf()
        changed = found.by_resource.get(URI)
        # The file's own note of the trust root and a key hint are unsigned, and decide nothing.
        assert changed is None or changed == original, at
        assert set(found.by_resource) <= {URI}


def test_a_recall_ends_it_also_for_a_rollback(
    webhooks: Webhooks, settings: AdmissionSettings
) -> None:
    cluster = webhooks.start(settings)
    assert cluster.ask(service())["allowed"]
    (settings.releases / "recalls.json").write_bytes(
        recalls(Recalls(frozenset({str(MODEL)})), index=9)
    )
    time.sleep(1.1)
    answer = cluster.ask(service())
    assert (answer["allowed"], answer["reason"]) == (False, "recalled")


def test_a_recalled_key_releases_nothing_and_unsays_nothing(
    webhooks: Webhooks, settings: AdmissionSettings
) -> None:
    """What it signed from the named entry on does not count; a later recall by it neither."""
    gone = Recalls(frozenset(), (Revocation(OLGA.verifier.key_id, 2, "lost"),))
    (settings.releases / "a.json").write_bytes(recalls(gone, index=1))
    (settings.releases / "b.json").write_bytes(recalls(Recalls(frozenset()), index=8))
    cluster = webhooks.start(settings)
    assert cluster.ask(service())["reason"] == "not-released"
    ready = cluster.client.get("/readyz").json()
    assert ready["recallsAt"] == 1
    assert {one["file"] for one in ready["troubles"]} == {"b.json", "credit.json"}


def test_nothing_wedges_a_cluster(webhooks: Webhooks, settings: AdmissionSettings) -> None:
    """Deletions, exempt namespaces, unchanged updates, objects without models, old releases."""
    other = service("s3://models/unknown")
    (settings.releases / "old.json").write_bytes(
        release(resource="s3://models/old", time=SystemClock().now() - 90 * DAY)
    )
    cluster = webhooks.start(settings)
    assert cluster.ask(None, old=other, operation="DELETE")["allowed"]
    assert cluster.ask(other, namespace="kube-system")["reason"] == "exempt"
    assert cluster.ask(other, old=other, operation="UPDATE")["reason"] == "unchanged"
    assert cluster.ask({"spec": {"replicas": 1}})["reason"] == "names-no-model"
    swapped = cluster.ask(other, old=service(), operation="UPDATE")
    assert swapped["reason"] == "not-released"
    back = cluster.ask(service("s3://models/old"), old=other, operation="UPDATE")
    assert back["allowed"]
    assert "90 days old" in back["warnings"][0]


def test_an_update_that_states_another_digest_is_judged(cluster: Cluster) -> None:
    """Else the annotation that an init container trusts could be changed unseen."""
    lying = service(**{"tidegate/digest": str(sha256(b"swapped"))})
    answer = cluster.ask(lying, old=service(), operation="UPDATE")
    assert answer["reason"] == "other-digest"


def test_old_releases_can_be_refused(webhooks: Webhooks, settings: AdmissionSettings) -> None:
    (settings.releases / "credit.json").write_bytes(
        release(resource=URI, time=SystemClock().now() - 3 * DAY)
    )
    strict = replace(settings, max_age=Micros(2 * DAY), refuse_old=True)
    assert webhooks.start(strict).ask(service())["reason"] == "old-release"


def test_warn_mode_lets_in_and_says_so(webhooks: Webhooks, settings: AdmissionSettings) -> None:
    cluster = webhooks.start(replace(settings, mode=Mode.WARN))
    answer = cluster.ask(service("s3://models/other"))
    assert (answer["allowed"], answer["reason"]) == (True, "warned-not-released")
    assert answer["warnings"][0].startswith("would be refused: s3://models/other")


def test_broken_glass_is_recorded(webhooks: Webhooks, settings: AdmissionSettings) -> None:
    """A member of the group gets in with a reason; the spool has who, what and why."""
    glass = replace(settings, break_glass=frozenset({"sre"}))
    cluster = webhooks.start(glass)
    body = service("s3://models/hotfix", **{"tidegate/break-glass": "incident 7: rollback fails"})
    assert not cluster.ask(body)["allowed"]
    assert not cluster.ask(service("s3://models/hotfix"), groups=("sre",))["allowed"]
    assert cluster.ask(body, groups=("sre",), dry_run=True)["reason"] == "break-glass"
    answer = cluster.ask(body, groups=("sre",))
    assert (answer["allowed"], answer["reason"]) == (True, "break-glass")
    events = [one.event for one in read_spool(settings.spool).events]
    broken = [one for one in events if one["kind"] == "break-glass"]
    assert len(broken) == 1
    assert broken[0]["user"] == "dev"
    assert broken[0]["reason"] == "incident 7: rollback fails"


def test_images_by_glob(webhooks: Webhooks, settings: AdmissionSettings) -> None:
    """Only those that were named need a release; one that pins its digest needs that digest."""
    (settings.releases / "image.json").write_bytes(
        release(resource=f"reg.example/serving/sk@{PINNED}", digest=sha256(b"image"))
    )
    cluster = webhooks.start(replace(settings, images=("reg.example/serving/*",)))

    def pod(image: str) -> dict[str, Any]:
        return {"spec": {"containers": [{"name": "c", "image": image}]}}

    assert cluster.ask(pod("docker.example/nginx:1"))["reason"] == "names-no-model"
    assert cluster.ask(pod(f"reg.example/serving/sk@{PINNED}"))["reason"] == "released"
    assert cluster.ask(pod("reg.example/serving/sk:1"))["reason"] == "not-released"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}',
     b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":1}}',
     b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_review_is_answered_with_400(cluster: Cluster, body: bytes) -> None:
    answer = cluster.client.post("/validate", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_review_that_is_too_large_is_refused(cluster: Cluster) -> None:
    answer = cluster.client.post("/validate", content=b" " * (9 << 20))
    assert answer.status_code == 413


def test_an_object_that_cant_be_examined_is_refused(cluster: Cluster) -> None:
    body = service()
    body["spec"]["serveConfigV2"] = "a: &a [x]\nb: *a"
    assert cluster.ask(body)["reason"] == "unreadable-object"


def test_health(cluster: Cluster, settings: AdmissionSettings) -> None:
    """A webhook without its folder is not ready, and keeps what it verified."""
    assert cluster.client.get("/healthz").json() == {"status": "ok"}
    assert cluster.client.get("/readyz").json()["releases"] == 1
    settings.releases.rename(settings.releases.with_name("gone"))
    time.sleep(1.1)
    assert cluster.client.get("/readyz").status_code == 503
    assert cluster.ask(service())["allowed"]
    assert json.loads(cluster.client.get("/readyz").content)["troubles"]
