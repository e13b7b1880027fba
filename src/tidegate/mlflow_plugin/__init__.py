"""MLflow's registry behind the gate: nothing is registered, named or handed out without evidence.

MLflow finds these by its plug-in points (``pyproject.toml``); nobody imports them:

- ``mlflow.model_registry_store``, scheme ``tidegate``: :class:`~.store.GuardedStore` around any
  store, ``tidegate:sqlite:///registry.db``.
- ``mlflow.artifact_repository``, scheme ``tidegate``: :class:`~.artifacts.VerifiedArtifacts`, which
  hands out only files that are the admitted ones.
- ``mlflow.app``, name ``tidegate``: :func:`~.server.create_app`, MLflow's server with that store.

Each is thin: what evidence there is, :mod:`tidegate.app.admitted` says.
"""
