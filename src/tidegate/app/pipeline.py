"""The SDK: a pipeline's gates from Python.

::

    import tidegate as tg

    pipeline = tg.Pipeline.open(".", act_as="rory")
    decision = pipeline.gate("registry").admit("model/", name="credit-model", version="3")
    decision.outcome, decision.index

Each gate offers the actions that its stage has; what they take is what the command line takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from tidegate.app.workspace import Unlock, Workspace, no_passphrase
from tidegate.core.decision import Decision
from tidegate.core.errors import UsageError
from tidegate.core.stage import Stage

if TYPE_CHECKING:
    from tidegate.gates.custody import Custody


@dataclass(frozen=True, slots=True)
class Pipeline:
    """An open workspace, seen as its seven gates."""

    workspace: Workspace

    @classmethod
    def open(
        cls, folder: str | Path = ".", *, act_as: str | None = None, unlock: Unlock = no_passphrase
    ) -> "Pipeline":
        """Open the workspace in a folder.

        Args:
            folder: Where it is.
            act_as: The principal who acts; the configured one where absent.
            unlock: Gives the passphrase of a principal's key.

        Raises:
            UsageError: There is no workspace.
            StoreError: Its store can't be used.
        """
        return cls(Workspace.open(Path(folder), act_as=act_as, unlock=unlock))

    @overload
    def gate(self, stage: Literal["ingest"]) -> "IngestGate": ...
    @overload
    def gate(self, stage: Literal["prepare"]) -> "PrepareGate": ...
    @overload
    def gate(self, stage: Literal["train"]) -> "TrainGate": ...
    @overload
    def gate(self, stage: Literal["validate"]) -> "ValidateGate": ...
    @overload
    def gate(self, stage: Literal["registry"]) -> "RegistryGate": ...
    @overload
    def gate(self, stage: Literal["serve"]) -> "ServeGate": ...
    @overload
    def gate(self, stage: Literal["monitor"]) -> "MonitorGate": ...
    @overload
    def gate(self, stage: str) -> "StageGate": ...
    def gate(self, stage: str) -> "StageGate":
        """Return a stage's gate.

        Raises:
            UsageError: There is no such stage.
        """
        try:
            return _GATES[Stage(stage)](self.workspace)
        except ValueError:
            raise UsageError(
                "no such stage",
                where=str(stage)[:40],
                next_step=f"use one of {', '.join(Stage)}",
                slug="no-such-stage",
            ) from None

    def verify(self, artifact: str | Path) -> "Custody":
        """Walk from an artifact (path, digest or name) back to its sources."""
        from tidegate.app.evidence import custody_of  # noqa: PLC0415 - only when it is asked for
        from tidegate.app.names import find_artifact  # noqa: PLC0415 - same

        return custody_of(self.workspace, find_artifact(self.workspace, str(artifact)))


@dataclass(frozen=True, slots=True)
class StageGate:
    """A stage's gate in one workspace.

    Each method runs the gate once, signs and logs the verdict, and returns the decision. A denial
    is a decision; an exception says that none could be made.
    """

    workspace: Workspace


class IngestGate(StageGate):
    """Ingest: data is admitted with an owner, a source, a licence and a label, or not at all."""

    __slots__ = ()

    def admit(self, path: str | Path, **details: Any) -> Decision:
        """Admit data; details as in :class:`tidegate.app.ingest.AdmitRequest`."""
        from tidegate.app.ingest import AdmitRequest, admit  # noqa: PLC0415 - brings pyarrow

        return admit(self.workspace, AdmitRequest(path=Path(path), **details))


class _CommandGate(StageGate):
    """A gate that wraps a command."""

    __slots__ = ()

    @staticmethod
    def _request(
        argv: Sequence[str], inputs: Mapping[str, str | Path], output: str | Path, **details: Any
    ) -> Any:
        from tidegate.app.produce import CommandRequest  # noqa: PLC0415 - brings the sandbox

        places = {name: Path(path) for name, path in inputs.items()}
        return CommandRequest(tuple(argv), places, Path(output), **details)


class PrepareGate(_CommandGate):
    """Prepare: a transform runs confined on admitted inputs, and what it wrote is judged."""

    __slots__ = ()

    def run(self, *arguments: Any, **details: Any) -> Decision:
        """Run a transform: ``run(argv, inputs, output, code=…, train=…, validation=…)``."""
        from tidegate.app.prepare import PrepareRequest, prepare  # noqa: PLC0415 - brings pyarrow

        split = {name: details.pop(name) for name in ("train", "validation") if name in details}
        request = PrepareRequest(self._request(*arguments, **details), **split)
        return prepare(self.workspace, request).decision


class TrainGate(_CommandGate):
    """Train: a training command runs confined on admitted inputs; the model gets provenance."""

    __slots__ = ()

    def run(self, *arguments: Any, **details: Any) -> Decision:
        """Train: ``run(argv, inputs, output, code=…, name=…)``."""
        from tidegate.app.train import train_model  # noqa: PLC0415 - brings the sandbox

        name = details.pop("name", "model")
        return train_model(self.workspace, self._request(*arguments, **details), name=name).decision


class ValidateGate(StageGate):
    """Validate: a model is asked confined, on validation sets of independent sources."""

    __slots__ = ()

    def run(self, *arguments: Any, **details: Any) -> Decision:
        """Judge a model; details as in :class:`tidegate.app.validate.ValidateRequest`."""
        from tidegate.app.validate import ValidateRequest, validate  # noqa: PLC0415 - same

        return validate(self.workspace, ValidateRequest(*arguments, **details))


class RegistryGate(StageGate):
    """Registry: models are scanned and signed when they come in, and promoted on approval."""

    __slots__ = ()

    def admit(self, path: str | Path, **details: Any) -> Decision:
        """Admit a model: ``name``, ``version``, ``card`` (a ``ModelCard``)."""
        from tidegate.app.registry import Admission, admit_model  # noqa: PLC0415 - same

        return admit_model(self.workspace, Admission(Path(path), **details))

    def promote(self, path: str | Path, **details: Any) -> Decision:
        """Promote a version: ``name``, ``version``, ``stage``, ``profile``."""
        from tidegate.app.registry import Promotion, promote_model  # noqa: PLC0415 - same

        return promote_model(self.workspace, Promotion(path=Path(path), **details))


class ServeGate(StageGate):
    """Serve: what is deployed is what was promoted."""

    __slots__ = ()

    def check(self, path: str | Path, *, deployed_as: str) -> Decision:
        """Verify a deployment's bytes, signature and chain."""
        from tidegate.app.serve import Deployment, check_deployment  # noqa: PLC0415 - same

        return check_deployment(self.workspace, Deployment(Path(path), deployed_as))


class MonitorGate(StageGate):
    """Monitor: live rows are held against the profile that was frozen at promotion."""

    __slots__ = ()

    def run(self, *arguments: Any, **details: Any) -> Decision:
        """Judge a window; details as in :class:`tidegate.app.monitor.MonitorRequest`."""
        from tidegate.app.monitor import MonitorRequest, watch  # noqa: PLC0415 - same

        return watch(self.workspace, MonitorRequest(*arguments, **details)).decision


_GATES: Mapping[Stage, type[StageGate]] = {
    Stage.INGEST: IngestGate,
    Stage.PREPARE: PrepareGate,
    Stage.TRAIN: TrainGate,
    Stage.VALIDATE: ValidateGate,
    Stage.REGISTRY: RegistryGate,
    Stage.SERVE: ServeGate,
    Stage.MONITOR: MonitorGate,
}
