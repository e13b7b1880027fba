"""MLflow's server with a guarded registry: ``mlflow server --app-name tidegate``.

Every REST call, and what the pages of the server do, reaches the registry through one store; here
that store is wrapped. Before each request it is looked at again: a server whose registry is not
guarded answers nothing about it.
"""

import os
from importlib import import_module
from typing import Any, Final

from mlflow.exceptions import MlflowException
from mlflow.server import app as flask_app
from mlflow.server import handlers
from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR

from tidegate.mlflow_plugin.addresses import SCHEME
from tidegate.mlflow_plugin.answers import denied
from tidegate.mlflow_plugin.guard import Guard
from tidegate.mlflow_plugin.store import GuardedStore

_GUARDED: Final = (
    "/mlflow/registered-models/",
    "/mlflow/model-versions/",
    "/model-versions/get-artifact",
    "/graphql",
)
_SERVER: Final = "_MLFLOW_SGI_NAME"
_registry: Any = handlers


def create_app(app: Any = flask_app) -> Any:
    """Return MLflow's application with the registry guarded.

    Raises:
        MlflowException: The evidence can't be opened: the server does not start without it.
    """
    Guard.current()
    uri = os.environ.get(REGISTRY_STORE_URI_ENV_VAR) or os.environ.get(BACKEND_STORE_URI_ENV_VAR)
    if not uri:
        raise denied("start", "the registry has no store", "give --backend-store-uri")
    if not uri.startswith(f"{SCHEME}:"):
        os.environ[REGISTRY_STORE_URI_ENV_VAR] = f"{SCHEME}:{uri}"
    _registry._model_registry_store = None  # noqa: SLF001 - there is no public way to it
    app.before_request(_check)
    if os.environ.get(_SERVER) != "uvicorn":
        return app
    from mlflow.server.fastapi_app import create_fastapi_app  # noqa: PLC0415 - where it is used

    return create_fastapi_app(app)


def _check() -> Any:
    """Answer nothing about the registry unless it is guarded."""
    flask: Any = import_module("flask")  # not in mlflow-skinny
    if not any(part in flask.request.path for part in _GUARDED):
        return None
    store = _registry._get_model_registry_store()  # noqa: SLF001 - there is no public way to it
    if isinstance(store, GuardedStore):
        return None
    error: MlflowException = denied("request", "the registry is not guarded", "restart the server")
    return flask.Response(
        error.serialize_as_json(), error.get_http_status_code(), mimetype="application/json"
    )
