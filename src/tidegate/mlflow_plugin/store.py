"""MLflow's model registry store, wrapped: what creates, names or hands out a version is checked.

::

    mlflow server --backend-store-uri URI --registry-store-uri tidegate:URI

A method that this file does not know is refused, so that a later MLflow adds no way around it.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.protos.databricks_pb2 import NOT_IMPLEMENTED
from mlflow.store.model_registry.abstract_store import AbstractStore

from tidegate.mlflow_plugin.addresses import SCHEME
from tidegate.mlflow_plugin.answers import denied, malformed
from tidegate.mlflow_plugin.guard import RESERVED, TAG, Guard, check_source, check_tag

PASSED: Final = (
    "create_registered_model",
    "create_webhook",
    "delete_model_version",
    "delete_registered_model",
    "delete_registered_model_alias",
    "delete_registered_model_tag",
    "delete_webhook",
    "get_latest_versions",
    "get_model_version",
    "get_model_version_by_alias",
    "get_registered_model",
    "get_webhook",
    "list_webhooks",
    "list_webhooks_by_event",
    "search_model_versions",
    "search_registered_models",
    "set_registered_model_tag",
    "test_webhook",
    "update_model_version",
    "update_registered_model",
    "update_webhook",
)
"""Methods that neither create, name nor hand out a version: the wrapped store's."""
COMPOSED: Final = (
    "copy_model_version",
    "create_prompt",
    "create_prompt_version",
    "delete_prompt",
    "delete_prompt_alias",
    "delete_prompt_tag",
    "delete_prompt_version",
    "delete_prompt_version_tag",
    "get_prompt",
    "get_prompt_version",
    "get_prompt_version_by_alias",
    "link_prompt_version_to_model",
    "link_prompt_version_to_run",
    "link_prompts_to_trace",
    "search_prompt_versions",
    "search_prompts",
    "set_prompt_alias",
    "set_prompt_tag",
    "set_prompt_version_tag",
    "supports_workspaces",
)
"""What MLflow's base class makes of the other methods: these then go through the checks here."""
_PLACEHOLDERS: Final = frozenset({"dummy-source", "prompt-template"})
"""What MLflow writes as the source of a prompt, which has no files."""


class GuardedStore(AbstractStore):
    """A store of MLflow that asks for evidence.

    MLflow's base class has no types; what its methods seem to return to a type checker is nothing.

    Args:
        store_uri: ``tidegate:`` and the URI of the store to wrap.
        tracking_uri: Of the tracking server, for stores that want it.
    """

    def __init__(self, store_uri: str | None = None, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)
        scheme, _, inner = (store_uri or "").partition(":")
        if scheme != SCHEME or not urlsplit(inner).scheme or inner.startswith(SCHEME):
            raise malformed("registry's URI", "write tidegate: and the URI of the store to wrap")
        self.wrapped: Any = _wrapped(inner, tracking_uri)

    def create_model_version(  # noqa: PLR0917  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Any = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Create a version of admitted bytes.

        Raises:
            MlflowException: They were not admitted under this name.
        """
        own = [tag for tag in tags or [] if not tag.key.startswith(RESERVED)]
        if not _is_prompt({tag.key: tag.value for tag in own}, source):
            check_source(source)
            admitted = Guard.current().check_version(name, self._location(source))
            own += [ModelVersionTag(key, value) for key, value in admitted.tags.items()]
        return self.wrapped.create_model_version(
            name=name,
            source=source,
            run_id=run_id,
            tags=own,
            run_link=run_link,
            description=description,
            local_model_path=local_model_path,
            model_id=model_id,
        )

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias mean a version that was promoted to the stage of that name.

        Raises:
            MlflowException: It was not.
        """
        found = self.wrapped.get_model_version(name, version)
        if not _is_prompt(found.tags, found.source):
            location = self.wrapped.get_model_version_download_uri(name, version)
            Guard.current().check_alias(name, alias, location)
        self.wrapped.set_registered_model_alias(name, alias, version)

    def transition_model_version_stage(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        version: str,
        stage: str,
        archive_existing_versions: bool,  # noqa: FBT001 - MLflow's signature
    ) -> ModelVersion:
        """Move a version to a stage that it was promoted to, or out of use.

        Raises:
            MlflowException: It was not promoted.
        """
        location = self.wrapped.get_model_version_download_uri(name, version)
        Guard.current().check_stage(name, stage, location)
        return self.wrapped.transition_model_version_stage(
            name, version, stage, archive_existing_versions
        )

    def get_model_version_download_uri(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, name: str, version: str
    ) -> str:
        """Return an address whose download verifies the files.

        Raises:
            MlflowException: The version's bytes are not, or no longer, admitted.
        """
        found = self.wrapped.get_model_version(name, version)
        location = self.wrapped.get_model_version_download_uri(name, version)
        if _is_prompt(found.tags, found.source):
            return str(location)
        return Guard.current().address(name, location, found.tags.get(TAG))

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """Rename a model without versions: evidence is about a name, too.

        Raises:
            MlflowException: It has versions.
        """
        if len(self.wrapped.search_model_versions(f"name='{_quoted(name)}'", max_results=1)):
            raise denied(
                "new name",
                "the evidence for its versions is about the old one",
                "admit the model under the new name, and register it there",
            )
        return self.wrapped.rename_registered_model(name, new_name)

    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Set a tag that is not the plug-in's.

        Raises:
            MlflowException: It is.
        """
        check_tag(tag.key)
        self.wrapped.set_model_version_tag(name, version, tag)

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Delete a tag that is not the plug-in's.

        Raises:
            MlflowException: It is.
        """
        check_tag(key)
        self.wrapped.delete_model_version_tag(name, version, key)

    def _location(self, source: str) -> str:
        """Return where a source's files lie, as the wrapped store will resolve it."""
        from mlflow.store.artifact.models_artifact_repo import (  # noqa: PLC0415 - it imports stores
            ModelsArtifactRepository,
        )
        from mlflow.store.artifact.utils.models import (  # noqa: PLC0415 - same
            _parse_model_uri,  # pyright: ignore[reportPrivateUsage] - there is no public one
        )

        if urlsplit(source).scheme != "models":
            return source
        model = _parse_model_uri(source)
        if model.model_id is not None:
            return str(ModelsArtifactRepository.get_underlying_uri(source))
        if model.version is None:
            raise malformed("source", "name a version by its number")
        return str(self.wrapped.get_model_version_download_uri(model.name, model.version))


def _wrapped(uri: str, tracking_uri: str | None) -> Any:
    """Build the store that MLflow would have taken for a URI."""
    from mlflow.tracking._model_registry.utils import (  # noqa: PLC0415 - it imports us
        _get_store_registry,  # pyright: ignore[reportPrivateUsage] - there is no public one
    )

    # Not get_store(): that holds a lock, under which this very constructor may run.
    builder = _get_store_registry().get_store_builder(uri)
    try:
        return builder(store_uri=uri, tracking_uri=tracking_uri)
    except TypeError:  # stores of databases take one argument
        return builder(uri)


def _is_prompt(tags: Any, source: str | None) -> bool:
    """Tell a prompt, which has no files: the tag alone would let anything pass."""
    return str(tags.get(IS_PROMPT_TAG_KEY, "")).lower() == "true" and source in _PLACEHOLDERS


def _quoted(name: str) -> str:
    if "'" in name:
        raise malformed("name", "it holds a quotation mark")
    return name


def _passing(method: str) -> Any:
    def call(self: GuardedStore, *given: Any, **named: Any) -> Any:
        return getattr(self.wrapped, method)(*given, **named)

    call.__name__ = method
    return call


def _refusing(method: str) -> Any:
    def call(self: GuardedStore, *given: Any, **named: Any) -> Any:  # noqa: ARG001 - any method's
        raise MlflowException(
            f"Tidegate does not know {method} of this version of MLflow, and lets nothing by that"
            " it does not know. Next: upgrade Tidegate.",
            error_code=NOT_IMPLEMENTED,
        )

    call.__name__ = method
    return call


def _complete(store: type[GuardedStore]) -> None:
    """Give the store each method of MLflow's interface: passed on, composed, or refused."""
    for name in dir(AbstractStore):
        if name.startswith("_") or name in vars(store) or name in COMPOSED:
            continue
        setattr(store, name, _passing(name) if name in PASSED else _refusing(name))


_complete(GuardedStore)
