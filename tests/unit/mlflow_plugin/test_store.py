"""The wrapped registry: what has no evidence is refused, what has it passes, no way goes around."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.modelfolders import admitted, write_model
from tests.unit.mlflow_plugin.conftest import Shop

from tidegate.core.policy.directives import Quarantine
from tidegate.drills.arena import MODEL, Arena

pytest.importorskip("mlflow", reason="pip install 'tidegate[mlflow]'")

from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.plugins import get_entry_points

from tidegate.mlflow_plugin import store as plugin
from tidegate.mlflow_plugin.store import GuardedStore

pytestmark = pytest.mark.slow


def refused(call: Callable[[], object], slug: str) -> str:
    """Return the message of a refusal that clients don't try again."""
    with pytest.raises(MlflowException) as caught:
        call()
    text = str(caught.value)
    assert caught.value.get_http_status_code() == 403
    assert slug in text
    assert "Next: " in text
    return text


def version(registry: Any, source: Path, name: str = MODEL, **more: Any) -> Any:
    return registry.create_model_version(name, str(source), **more)


def test_mlflow_finds_the_plugin() -> None:
    """By the names that the guide gives."""
    for group, target in (
        ("mlflow.model_registry_store", "store:GuardedStore"),
        ("mlflow.artifact_repository", "artifacts:VerifiedArtifacts"),
        ("mlflow.app", "server:create_app"),
    ):
        found = {entry.name: entry.value for entry in get_entry_points(group)}
        assert found["tidegate"] == f"tidegate.mlflow_plugin.{target}"


def test_a_version_needs_admission(registry: Any, shop: Shop) -> None:
    """Refused with the digest and the command; the twin that was admitted passes."""
    text = refused(lambda: version(registry, shop.stranger), "TG-SUB/not-admitted")
    assert "tidegate registry admit" in text
    assert not registry.search_model_versions(f"name='{MODEL}'")
    made = version(registry, shop.plain)
    assert made.tags["tidegate.admitted"] == f"{MODEL}@2"
    assert registry.get_model_version(MODEL, made.version).source == str(shop.plain)


def test_evidence_is_about_a_name(registry: Any, shop: Shop) -> None:
    """The admitted bytes of one model make no version of another, unless the settings say so."""
    registry.create_registered_model("fraud")
    refused(lambda: version(registry, shop.good, "fraud"), "TG-SUB/not-admitted")


def test_names_may_be_mapped(registry: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered model that is called otherwise here."""
    monkeypatch.setenv("TIDEGATE_MLFLOW__NAMES", f"Credit Model={MODEL}")
    registry.create_registered_model("Credit Model")
    assert version(registry, shop.good, "Credit Model").version in {1, "1"}


@pytest.mark.parametrize("change", ["swap", "add", "drop", "link"])
def test_changed_files_are_others(registry: Any, shop: Shop, change: str) -> None:
    """One byte, one file more or less, or a link in place of a file."""
    match change:
        case "swap":
            (shop.plain / "model.safetensors").write_bytes(b"other")
        case "add":
            (shop.plain / "extra.py").write_text("print()")
        case "drop":
            (shop.plain / "data" / "labels.json").unlink()
        case _:
            (shop.plain / "MLmodel").unlink()
            (shop.plain / "MLmodel").symlink_to(shop.good / "MLmodel")
    refused(lambda: version(registry, shop.plain), "TG-SUB/")


def test_what_mlflow_adds_by_itself_is_no_change(registry: Any, shop: Shop) -> None:
    """MLflow writes this file into a local model folder that somebody downloads."""
    (shop.plain / "registered_model_meta").write_text("model_name: x\nmodel_version: '1'\n")
    assert version(registry, shop.plain)


def test_an_alias_needs_promotion(registry: Any, shop: Shop) -> None:
    """Admission is not enough; the stage that was promoted to is, and no other."""
    plain, good = version(registry, shop.plain), version(registry, shop.good)

    def name(alias: str, which: Any) -> None:
        registry.set_registered_model_alias(MODEL, alias, which.version)

    text = refused(lambda: name("prod", plain), "TG-SUB/not-promoted")
    assert "tidegate registry promote" in text
    refused(lambda: name("staging", good), "TG-SUB/not-promoted")
    refused(lambda: registry.set_prompt_alias(MODEL, "prod", plain.version), "TG-SUB/not-promoted")
    name("prod", good)
    assert int(registry.get_model_version_by_alias(MODEL, "prod").version) == int(good.version)
    refused(lambda: name("prod", plain), "TG-SUB/not-promoted")
    registry.delete_registered_model_alias(MODEL, "prod")


def test_only_listed_aliases_are_protected(
    registry: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the settings list some, the others are free; a stage may have another name here."""
    monkeypatch.setenv("TIDEGATE_MLFLOW__STAGES", "prod, Champion=prod")
    plain, good = version(registry, shop.plain), version(registry, shop.good)
    registry.set_registered_model_alias(MODEL, "baseline", plain.version)
    registry.set_registered_model_alias(MODEL, "champion", good.version)
    refused(
        lambda: registry.set_registered_model_alias(MODEL, "CHAMPION", plain.version),
        "TG-SUB/not-promoted",
    )


def test_stages_of_mlflow_need_promotion(
    registry: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into use only with evidence; out of use always."""
    monkeypatch.setenv("TIDEGATE_MLFLOW__STAGES", "Production=prod,Staging=staging")
    plain, good = version(registry, shop.plain), version(registry, shop.good)

    def move(which: Any, stage: str) -> Any:
        return registry.transition_model_version_stage(MODEL, which.version, stage, False)

    refused(lambda: move(plain, "Production"), "TG-SUB/not-promoted")
    refused(lambda: move(good, "staging"), "TG-SUB/not-promoted")
    assert move(good, "Production").current_stage == "Production"
    assert move(good, "Archived").current_stage == "Archived"
    assert move(plain, "None").current_stage == "None"


def test_a_copy_is_a_version(registry: Any, shop: Shop) -> None:
    """The copy's new name needs evidence, too."""
    good = version(registry, shop.good)
    with pytest.raises(MlflowException, match="TG-SUB/not-admitted"):
        registry.copy_model_version(good, "fraud")
    again = registry.copy_model_version(good, MODEL)
    assert int(again.version) == int(good.version) + 1


def test_a_name_with_versions_stays(registry: Any, shop: Shop) -> None:
    """A rename would carry versions to a name that no evidence is about."""
    version(registry, shop.good)
    refused(lambda: registry.rename_registered_model(MODEL, "fraud"), "new name")
    registry.create_registered_model("empty")
    registry.rename_registered_model("empty", "void")


def test_notes_are_not_for_others(registry: Any, shop: Shop) -> None:
    """Neither set with a version, nor changed, nor deleted."""
    forged = ModelVersionTag("tidegate.digest", "sha256:" + "0" * 64)
    made = version(registry, shop.good, tags=[forged, ModelVersionTag("team", "risk")])
    assert made.tags["tidegate.digest"] != forged.value
    assert made.tags["team"] == "risk"
    refused(lambda: registry.set_model_version_tag(MODEL, made.version, forged), "written by")
    refused(
        lambda: registry.delete_model_version_tag(MODEL, made.version, forged.key), "written by"
    )
    registry.set_model_version_tag(MODEL, made.version, ModelVersionTag("team", "fraud"))


def test_prompts_pass_and_nothing_passes_as_one(registry: Any, shop: Shop) -> None:
    """A prompt has no files; its tag on something with files changes nothing."""
    registry.create_prompt("greeting")
    made = registry.create_prompt_version("greeting", "Hello {{name}}")
    registry.set_prompt_alias("greeting", "prod", made.version)
    tags = [ModelVersionTag("mlflow.prompt.is_prompt", "true")]
    refused(lambda: version(registry, shop.stranger, tags=tags), "TG-SUB/not-admitted")
    registry.set_registered_model_tag(MODEL, RegisteredModelTag("mlflow.prompt.is_prompt", "true"))
    refused(lambda: version(registry, shop.stranger), "TG-SUB/not-admitted")


def test_a_recalled_model_goes_nowhere(
    registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quarantined after its registration: no download, no alias, no further version."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "memory"))
    (tmp_path / "own").mkdir()
    arena = Arena.make(tmp_path / "own")
    model = write_model(tmp_path / "bad", remark="bad")
    target = admitted(arena, model, "7")
    monkeypatch.setenv("TIDEGATE_FOLDER", str(arena.folder / "workspace"))
    made = version(registry, model)
    assert registry.get_model_version_download_uri(MODEL, made.version).startswith("tidegate:")
    arena.workspace.act(Quarantine(digest=str(target.digest), reason="poisoned"))
    for call in (
        lambda: version(registry, model),
        lambda: registry.get_model_version_download_uri(MODEL, made.version),
        lambda: registry.set_registered_model_alias(MODEL, "prod", made.version),
    ):
        refused(call, "TG-VER/recalled")


@pytest.mark.parametrize("trouble", ["gone", "broken", "setting", "server"])
def test_without_evidence_nothing_passes(
    registry: Any, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """No workspace, one that can't be read, a wrong setting, or nobody's word to go by."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(shop.root, folder)
    match trouble:
        case "gone":
            shutil.rmtree(folder)
        case "broken":
            for file in (folder / ".tidegate").glob("*.db*"):
                file.write_bytes(b"not a database" * 100)
        case "setting":
            monkeypatch.setenv("TIDEGATE_MLFLOW__STAGE", "prod")
        case _:
            monkeypatch.setenv("TIDEGATE_MLFLOW__EVIDENCE", "server")
    monkeypatch.setenv("TIDEGATE_FOLDER", str(folder))
    with pytest.raises(MlflowException) as caught:
        version(registry, shop.good)
    assert caught.value.get_http_status_code() == 403
    assert not registry.search_model_versions(f"name='{MODEL}'")


def test_an_address_is_no_source(registry: Any, shop: Shop) -> None:
    """It names what to verify; a version names where files lie."""
    version(registry, shop.good)
    address = registry.get_model_version_download_uri(MODEL, "1")
    refused(lambda: registry.create_model_version(MODEL, address), "address of verified artifacts")


def test_unknown_methods_are_refused(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later MLflow adds is no way around."""
    monkeypatch.setattr(AbstractStore, "undelete_model_version", print, raising=False)
    plugin._complete(GuardedStore)
    try:
        with pytest.raises(MlflowException, match="does not know undelete_model_version"):
            registry.undelete_model_version(MODEL, "1")
    finally:
        del GuardedStore.undelete_model_version


def test_every_method_of_this_mlflow_is_known() -> None:
    """None is refused by oversight, and these are the checked ones."""
    own = {name for name in dir(AbstractStore) if not name.startswith("_")}
    assert own - set(plugin.PASSED) - set(plugin.COMPOSED) == {
        "create_model_version",
        "delete_model_version_tag",
        "get_model_version_download_uri",
        "rename_registered_model",
        "set_model_version_tag",
        "set_registered_model_alias",
        "transition_model_version_stage",
    }


@pytest.mark.parametrize("uri", ["tidegate:", "tidegate:nothing", "tidegate:tidegate:sqlite:///x"])
def test_a_store_must_be_named(uri: str) -> None:
    """With the form that it is to have."""
    with pytest.raises(MlflowException, match="write tidegate: and the URI"):
        GuardedStore(uri)
