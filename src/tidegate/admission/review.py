"""AdmissionReview v1, in and out (Kubernetes API ``admission.k8s.io/v1``).

>>> answer = to_response("705ab4f5", allowed=False, message="no release", warnings=())
>>> answer["response"]["allowed"], answer["response"]["status"]["code"]
(False, 403)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegate.core.canonical import Json, loads
from tidegate.core.errors import UsageError
from tidegate.core.identity.reading import Fields

MAX_BYTES: Final = 8 << 20
"""The API server sends objects of up to 3 MiB, an update two of them."""
MAX_WARNING: Final = 240
"""Characters of a warning: the API server cuts what is longer than 256."""
MAX_WARNINGS: Final = 16
API: Final = "admission.k8s.io/v1"
_WHAT: Final = "admission-review"
_FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True)
class Review:
    """A request to let an object in."""

    uid: str
    kind: str
    """``apps/v1 Deployment``."""
    namespace: str
    name: str
    operation: str
    user: str
    groups: frozenset[str]
    body: Mapping[str, Json]
    old: Mapping[str, Json] | None
    """What an update replaces."""
    dry_run: bool

    def annotation(self, name: str) -> str | None:
        """Return an annotation of the object."""
        return _annotation(self.body, name)

    def old_annotation(self, name: str) -> str | None:
        """Return an annotation of what is replaced."""
        return None if self.old is None else _annotation(self.old, name)


def read_review(data: bytes) -> Review:
    """Read a review.

    Raises:
        UsageError: It is none of version 1.
        VerificationError: It is no JSON within the bounds.
    """
    fields = Fields(
        loads(data, what="the admission review", limit=MAX_BYTES), _WHAT, error=UsageError
    )
    if fields.text("apiVersion", limit=100) != API or fields.text("kind", limit=100) != (
        "AdmissionReview"
    ):
        raise fields.refuse(f"it is no AdmissionReview of {API}", where="apiVersion")
    request = Fields(fields.any("request"), _WHAT, error=UsageError)
    kind = Fields(request.any("kind"), _WHAT, error=UsageError)
    user = request.object("userInfo") if request.has("userInfo") else {}
    groups = user.get("groups")
    old = request.object("oldObject") if request.has("oldObject") else None
    return Review(
        uid=request.text("uid", limit=256),
        kind=_kind(kind),
        namespace=_optional(request, "namespace"),
        name=_optional(request, "name"),
        operation=request.text("operation", limit=32),
        user=str(user.get("username", ""))[:512],
        groups=frozenset(str(one) for one in groups) if isinstance(groups, list) else frozenset(),
        body=request.object("object") if request.has("object") else {},
        old=old,
        dry_run=request.has("dryRun") and request.flag("dryRun"),
    )


def to_response(
    uid: str,
    *,
    allowed: bool,
    message: str = "",
    warnings: Sequence[str] = (),
    audit: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the answer to a request.

    Args:
        uid: The request's.
        allowed: Whether the object comes in.
        message: Why not; shown to the user.
        warnings: Shown to the user whatever the answer.
        audit: For the API server's audit log.
    """
    response: dict[str, Any] = {"uid": uid, "allowed": allowed}
    if not allowed:
        text = f"tidegate: {message}"[:4_000]
        response["status"] = {"code": _FORBIDDEN, "reason": "Forbidden", "message": text}
    if warnings:
        response["warnings"] = [_short(text) for text in warnings[:MAX_WARNINGS]]
    if audit:
        response["auditAnnotations"] = dict(audit)
    return {"apiVersion": API, "kind": "AdmissionReview", "response": response}


def _kind(fields: Fields) -> str:
    group = fields.text("group", limit=256, empty=True)
    version, kind = fields.text("version", limit=64), fields.text("kind", limit=256)
    return f"{group}/{version} {kind}" if group else f"{version} {kind}"


def _optional(fields: Fields, name: str) -> str:
    return fields.text(name, limit=512, empty=True) if fields.has(name) else ""


def _annotation(body: Mapping[str, Json], name: str) -> str | None:
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    value = annotations.get(name) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) else None


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= MAX_WARNING else one_line[: MAX_WARNING - 1] + "…"
