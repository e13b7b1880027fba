"""Where objects name models: KServe, Ray, Pods, and what is not looked at."""

from typing import Any

import pytest

from tidegate.admission.references import Kind, find_references
from tidegate.core.errors import SubjectError

POD = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
RAY = """
applications:
  - name: llm
    runtime_env: {working_dir: "https://models.example/app.zip"}
    args:
      llm_configs:
        - model_loading_config: {model_id: q, model_source: "hf://acme/q"}
"""
PINNED = "sha256:" + "ab" * 32

MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "InferenceService": (
        {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://m/a"}}},
        "s3://m/a",
    ),
    "InferenceService, old style": ({"predictor": {"sklearn": {"storageUri": "gs://m"}}}, "gs://m"),
    "InferenceService, several": (
        {"predictor": {"model": {"storageUris": [{"uri": "s3://m/b", "mountPath": "/x"}]}}},
        "s3://m/b",
    ),
    "InferenceService, storage spec": (
        {"predictor": {"model": {"storage": {"key": "minio", "path": "m/c"}}}},
        "storage://minio/m/c",
    ),
    "LLMInferenceService": ({"model": {"uri": "hf://acme/q", "name": "q"}}, "hf://acme/q"),
    "LLMInferenceService, adapter": (
        {"model": {"lora": {"adapters": [{"uri": "hf://acme/lora", "name": "l"}]}}},
        "hf://acme/lora",
    ),
    "RayService": ({"serveConfigV2": RAY}, "hf://acme/q"),
    "RayService, code": ({"serveConfigV2": RAY}, "https://models.example/app.zip"),
    "Deployment": (
        {"template": {"spec": {**POD, "initContainers": [
            {"name": "storage-initializer", "image": "k", "args": ["s3://m/d", "/mnt"]}]}}},
        "s3://m/d",
    ),
    "CronJob": (
        {"jobTemplate": {"spec": {"template": {"spec": {"containers": [
            {"name": "x", "image": "i", "env": [{"name": "STORAGE_URI", "value": "pvc://m/e"}]}]}}}}},
        "pvc://m/e",
    ),
    "Pod, image volume": (
        {**POD, "volumes": [{"name": "m", "image": {"reference": f"reg.example/m@{PINNED}"}}]},
        f"oci://reg.example/m@{PINNED}",
    ),
    "Pod, modelcar": (
        {"containers": [{"name": "modelcar", "image": "reg.example/m:1"}]},
        "oci://reg.example/m:1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(MODELS))
def test_a_model_is_found(kind: str) -> None:
    spec, uri = MODELS[kind]
    found = find_references({"metadata": {"name": "x"}, "spec": spec})
    assert uri in {one.uri for one in found if one.kind is Kind.MODEL}
    assert all(one.where.startswith("spec.") for one in found)


def test_images_are_told_apart_and_a_digest_is_read() -> None:
    image = f"reg.example/app@{PINNED}"
    spec = {"containers": [{"name": "a", "image": image}], "initContainers": []}
    (found,) = find_references({"spec": spec})
    assert (found.kind, found.digest, found.scheme) == (Kind.IMAGE, PINNED, "")


def test_what_the_cluster_reports_is_not_what_is_asked_for() -> None:
    assert not find_references({"status": {"storageUri": "s3://x"}, "metadata": {
        "managedFields": [{"fieldsV1": {"storageUri": {}}}]}})  # fmt: skip


def deep() -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    "spec",
    [
        deep(),
        {"list": [[] for _ in range(60_000)]},
        {"predictor": {"model": {"storageUri": ["s3://m"]}}},
        {"predictor": {"model": {"storageUri": " "}}},
        {"predictor": {"model": {"storageUri": "s3://" + "x" * 5_000}}},
        {"serveConfigV2": "a: &a [x]\nb: *a"},
        {"serveConfigV2": "a: [unclosed"},
        {"serveConfigV2": "x" * 100_000},
        {"containers": [{"name": "c", "env": [{"name": "STORAGE_URI", "valueFrom": {}}]}]},
    ],
)
def test_what_cant_be_examined_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(SubjectError) as refused:
        find_references({"spec": spec})
    assert refused.value.slug == "unreadable-object"
    assert refused.value.cause
