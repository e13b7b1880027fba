"""A workspace with one promoted and one admitted model, and MLflow's own store on SQLite."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.modelfolders import admitted, promoted, write_model

from tidegate.drills.arena import MODEL, Arena


@dataclass(frozen=True)
class Shop:
    """Where everything is."""

    arena: Arena
    good: Path
    """Promoted to ``prod``."""
    plain: Path
    """Admitted, and not promoted."""
    stranger: Path
    """Never admitted."""

    @property
    def root(self) -> Path:
        return self.arena.folder / "workspace"


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    pytest.importorskip("mlflow", reason="pip install 'tidegate[mlflow]'")
    folder = tmp_path_factory.mktemp("mlflow")
    good, plain, stranger = (
        write_model(folder / name, remark=name) for name in ("good", "plain", "stranger")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "memory"))
        arena = Arena.make(folder)
        promoted(arena, good, "1")
        admitted(arena, plain, "2")
    return Shop(arena, good, plain, stranger)


@pytest.fixture
def shop(stock: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The stock, each test's own copy of the folders, and the environment of a plug-in."""
    for name in [name for name in os.environ if name.startswith(("TIDEGATE_MLFLOW", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEGATE_FOLDER", str(stock.root))
    monkeypatch.setenv("XDG_STATE_HOME", str(stock.arena.folder / "memory"))
    folders = [tmp_path / path.name for path in (stock.good, stock.plain, stock.stranger)]
    for path, copy in zip((stock.good, stock.plain, stock.stranger), folders, strict=True):
        shutil.copytree(path, copy)
    return Shop(stock.arena, *folders)


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: migrations take seconds."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    path = tmp_path_factory.mktemp("tables") / "registry.db"
    SqlAlchemyStore(f"sqlite:///{path}")
    return path


@pytest.fixture
def registry(empty_registry: Path, tmp_path: Path, shop: Shop) -> Iterator[Any]:
    """The guarded store, as MLflow itself finds and builds it."""
    from mlflow.tracking._model_registry.utils import _get_store  # noqa: PLC0415

    path = tmp_path / "registry.db"
    shutil.copy(empty_registry, path)
    store = _get_store(f"tidegate:sqlite:///{path}", "sqlite:///unused.db")
    store.create_registered_model(MODEL)
    yield store
    store.wrapped.engine.dispose()
