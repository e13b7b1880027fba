"""What ``tidegate.toml`` can say. Every section and key has a default.

>>> Settings().store.url
'sqlite:///.tidegate/tidegate.db'
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tidegate.config.quantity import Duration, Size, duration, size

SECRET = "x-secret"  # noqa: S105 - a mark on fields, not a secret
"""Marks fields whose value is never shown."""


def _as_path(value: Any) -> Any:
    return Path(value) if isinstance(value, str) else value


def _as_member(kind: type[StrEnum]) -> BeforeValidator:
    def convert(value: Any) -> Any:
        names = [member.value for member in kind]
        if isinstance(value, str) and value not in names:
            raise ValueError(f"{value[:40]!r} is none of {', '.join(names)}")
        return kind(value) if isinstance(value, str) else value

    return BeforeValidator(convert)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


FilePath = Annotated[Path, BeforeValidator(_as_path)]
"""A path; relative ones start at the workspace folder."""


class Section(BaseModel):
    """Strict and frozen: no coercion, no unknown keys, a description for each key."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )


class PolicyMode(StrEnum):
    """How far policy reaches in this workspace."""

    SHADOW = "shadow"
    WARN = "warn"
    ENFORCE = "enforce"


class EvidenceFrom(StrEnum):
    """Where a plug-in looks up what was admitted and released."""

    WORKSPACE = "workspace"
    RELEASES = "releases"
    SERVER = "server"


class LogLevel(StrEnum):
    """Least severe record that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogForm(StrEnum):
    """How log records are written."""

    JSON = "json"
    TEXT = "text"


class Isolation(StrEnum):
    """Weakest confinement that a training run is allowed to have."""

    NONE = "none"
    NAMESPACES = "namespaces"
    CGROUP = "cgroup"


class Workspace(Section):
    """Which workspace this folder is."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "default"
    """How people call it."""
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "default"
    """Its id in every row, log entry and cache key; never change it."""


class Store(Section):
    """Where the ledger and the envelopes are kept."""

    url: Annotated[str, Field(min_length=1, max_length=2_000)] = "sqlite:///.tidegate/tidegate.db"
    """Database: ``sqlite:///path`` (from the workspace folder) or ``postgresql://…``."""
    blobs: FilePath = Path(".tidegate/blobs")
    """Folder for contents above 64 KiB."""
    busy_timeout: Duration = duration("30s")
    """How long to wait for another writer."""


class Policy(Section):
    """Which policy decides."""

    bundle: Annotated[str, Field(min_length=1, max_length=1_000)] = "default"
    """Name of a bundled policy, or path of a signed bundle."""
    mode: Annotated[PolicyMode, _as_member(PolicyMode)] = PolicyMode.ENFORCE
    """``enforce`` decides, ``warn`` shows, ``shadow`` only records."""


class Signing(Section):
    """Who signs by default."""

    principal: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """The principal that acts where ``--as`` is not given."""
    passphrase_file: FilePath | None = None
    """File with the passphrase of that principal's key, readable by its owner only."""
    plugins: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    """Names of the entry points in ``tidegate.signers`` to use, for keys that live elsewhere."""


class Witness(Section):
    """A party that cosigns the log's heads."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """Its name in the cosignature."""
    key: Annotated[str, Field(min_length=1, max_length=1_000)]
    """Its public key, as a C2SP verifier key."""
    url: Annotated[str | None, Field(max_length=2_000)] = None
    """Where it is asked; without one, cosignatures are exchanged as files."""


class Ledger(Section):
    """The append-only log."""

    origin: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """The log's name in its checkpoints; made from the workspace id where not given."""
    witnesses: Annotated[tuple[Witness, ...], BeforeValidator(_as_tuple)] = ()
    """Parties that cosign."""
    witness_threshold: Annotated[int, Field(ge=0, le=100)] = 0
    """How many cosignatures a checkpoint needs before evidence rests on it."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.witness_threshold > len(self.witnesses):
            raise ValueError(
                f"witness_threshold {self.witness_threshold} can't be reached "
                f"with {len(self.witnesses)} witnesses"
            )
        if len({witness.name for witness in self.witnesses}) < len(self.witnesses):
            raise ValueError("two witnesses have one name")
        return self


class Sandbox(Section):
    """Bounds on training runs and on parsing of untrusted files."""

    tier: Annotated[Isolation, _as_member(Isolation)] = Isolation.NAMESPACES
    """Weakest confinement that is accepted."""
    memory: Size = size("8GiB")
    """Largest memory of a run."""
    cpu_seconds: Annotated[int, Field(ge=1, le=10_000_000)] = 3_600
    """CPU time of a run."""
    wall_time: Duration = duration("1h")
    """Duration of a run."""
    processes: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Processes and threads of a run."""
    file_size: Size = size("8GiB")
    """Largest file that a run may write."""


class Gateway(Section):
    """The data plane in front of a model."""

    listen: Annotated[str, Field(pattern=r"^\S{1,200}:[0-9]{1,5}$")] = "127.0.0.1:8440"
    """Host and port to listen on."""
    upstream: Annotated[str | None, Field(max_length=2_000)] = None
    """Base URL of the model server."""
    requests_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] = 600
    """Rate a caller."""
    burst: Annotated[int, Field(ge=1, le=10_000_000)] = 60
    """Requests that a caller may send at once."""
    max_body: Size = size("1MiB")
    """Largest request body."""
    timeout: Duration = duration("30s")
    """Longest wait for the model server."""
    token: Annotated[str | None, Field(min_length=16, json_schema_extra={SECRET: True})] = None
    """Shared bearer token, for trials; prefer ``token_file``."""
    token_file: FilePath | None = None
    """File of accepted callers: one name and token digest a line."""


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""A list of texts."""


class Dependencies(Section):
    """What the packages that code installs must be like (``tidegate deps check``)."""

    internal: Texts = ()
    """Patterns of package names that are yours, such as ``acme-*``."""
    internal_indexes: Texts = ()
    """Indexes that these must come from; from any other, they are refused."""
    indexes: Texts = ()
    """Indexes that may be used; empty allows any."""
    allowed: Texts = ()
    """Packages that may be used: ``numpy``, ``torch>=2.6,<3``; empty allows any."""
    licences: Texts = ()
    """SPDX ids that may be used; empty allows each that is not denied."""
    denied_licences: Texts = ()
    """SPDX ids that may not be used."""
    minimum_age: Duration = duration("0s")
    """How long ago a release must have been uploaded: ``7d``."""
    lock: FilePath | None = None
    """Lock file or environment that the gates of train and registry check, too."""
    advisories: FilePath = Path(".tidegate/advisories")
    """Folder of imported advisories, or one index file."""
    advisories_age: Duration = duration("7d")
    """Age from which advisories are stale, and what they clear is undecided."""


class Images(Section):
    """What container images must be like (``tidegate image check``)."""

    registries: Texts = ()
    """Where base images may come from, such as ``registry.example/base``; empty allows any."""
    keys: Annotated[tuple[FilePath, ...], BeforeValidator(_as_tuple)] = ()
    """Files with public keys (PEM) whose signature an image needs."""
    token_file: FilePath | None = None
    """File with ``user:password`` or a bearer token for the registry."""


class Detectors(Section):
    """Plug-ins; what comes with Tidegate is always there."""

    enabled: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    """Names of the entry points in ``tidegate.detectors`` to use."""


class MLflow(Section):
    """The plug-in for MLflow's model registry."""

    evidence: Annotated[EvidenceFrom, _as_member(EvidenceFrom)] = EvidenceFrom.WORKSPACE
    """``workspace`` asks the ledger, ``releases`` a folder of release files; ``server``, for
    clients only, believes the registry server and verifies that the bytes are those it named."""
    releases: FilePath | None = None
    """Folder with the files of ``--release`` and ``serve recalls``."""
    trust: FilePath | None = None
    """The trust root file that these are verified with."""
    pin: Annotated[str | None, Field(max_length=200)] = None
    """The digest of its first version."""
    stages: Texts = ()
    """Aliases and stages that need a promotion, such as ``prod`` or ``Production=prod`` where it
    has another name here; empty protects all of them."""
    names: Texts = ()
    """Registered models that have another name here: ``Fraud Model=fraud``."""


class HuggingFace(Section):
    """What snapshots of model hubs must be like (``registry admit`` of a cached snapshot)."""

    publishers: Texts = ()
    """Organisations and users whose models may be admitted, such as ``acme``, or one repository:
    ``acme/tumour``; empty allows any."""
    branches: Texts = ("main",)
    """Refs that may move; any other that means another commit than before is refused."""


class Telemetry(Section):
    """Logs and traces of Tidegate itself; nothing is sent unless an endpoint is set."""

    level: Annotated[LogLevel, _as_member(LogLevel)] = LogLevel.WARNING
    """Least severe record that is written to standard error."""
    format: Annotated[LogForm, _as_member(LogForm)] = LogForm.JSON
    """One JSON object a line, or text."""
    otlp_endpoint: Annotated[str | None, Field(max_length=2_000)] = None
    """OpenTelemetry collector to send spans to."""


class Settings(Section):
    """The whole file."""

    workspace: Workspace = Workspace()
    store: Store = Store()
    policy: Policy = Policy()
    signing: Signing = Signing()
    ledger: Ledger = Ledger()
    sandbox: Sandbox = Sandbox()
    gateway: Gateway = Gateway()
    dependencies: Dependencies = Dependencies()
    images: Images = Images()
    detectors: Detectors = Detectors()
    mlflow: MLflow = MLflow()
    huggingface: HuggingFace = HuggingFace()
    telemetry: Telemetry = Telemetry()
