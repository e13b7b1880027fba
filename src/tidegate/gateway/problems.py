"""Refusals as every caller sees them: one shape a protocol, an opaque id, nothing from inside.

OpenAI's clients read ``error.message`` and ``error.code``; Open Inference's read ``error``, and get
an RFC 9457 problem around it. Neither echoes what was sent or what the model server said.

>>> BLOCKED.status, BLOCKED.code
(400, 'blocked')
"""

from dataclasses import dataclass
from enum import StrEnum

import orjson

Headers = list[tuple[bytes, bytes]]


class Face(StrEnum):
    """Which protocol the caller speaks."""

    OPENAI = "openai"
    INFERENCE = "inference"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal."""

    status: int
    code: str
    """Stable; the gateway's events carry it too."""
    message: str
    kind: str = "invalid_request_error"
    """OpenAI's ``type``."""


_SERVER = "server_error"
UNAUTHENTICATED = Problem(
    401, "unauthenticated", "A valid key is needed: Authorization: Bearer tg_…",
    "authentication_error",
)  # fmt: skip
RATE_LIMITED = Problem(429, "rate_limited", "Too many requests; wait.", "rate_limit_error")
TOO_MANY_AT_ONCE = Problem(
    429, "too_many_at_once", "Too many requests of this caller at once.", "rate_limit_error"
)
BUSY = Problem(503, "busy", "The gateway is busy; try again.", _SERVER)
NOT_FOUND = Problem(404, "not_found", "There is nothing here.")
NO_METHOD = Problem(405, "method_not_allowed", "Another method is needed here.")
NO_MODEL = Problem(404, "model_not_found", "No such model is served here.")
TOO_LARGE = Problem(413, "too_large", "The request is too large.")
HEAD_TOO_LARGE = Problem(431, "head_too_large", "The request's headers are too large.")
TOO_SLOW = Problem(408, "too_slow", "The request took too long to arrive.")
NOT_JSON = Problem(400, "malformed", "The body is no JSON object of this protocol.")
NOT_JSON_TYPE = Problem(415, "media_type", "The body must be plain application/json.")
UNKNOWN_FIELD = Problem(400, "unknown_field", "The request has a field that is not let through.")
UNSCREENED = Problem(400, "unscreened", "The request has content that can't be checked here.")
BLOCKED = Problem(400, "blocked", "The request was blocked by the input check.")
UNVERIFIED = Problem(503, "unverified_model", "The model is not verified for service.", _SERVER)
NO_RECORD = Problem(
    503, "no_record", "The request can't be recorded, so it is not served.", _SERVER
)
NO_CHECK = Problem(503, "no_check", "The input check can't run, so nothing is served.", _SERVER)
NO_KEYS = Problem(503, "no_keys", "The callers' keys can't be read.", _SERVER)
UPSTREAM_DOWN = Problem(502, "upstream_down", "The model server can't be reached.", _SERVER)
UPSTREAM_FAILED = Problem(502, "upstream_failed", "The model server failed.", _SERVER)
UPSTREAM_SLOW = Problem(504, "upstream_slow", "The model server did not answer in time.", _SERVER)
UPSTREAM_REFUSED = Problem(400, "upstream_refused", "The model server refused the request.")
UPSTREAM_BUSY = Problem(429, "upstream_busy", "The model server is busy.", "rate_limit_error")
INTERNAL = Problem(500, "internal", "The gateway failed.", _SERVER)


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """Ends a request with a problem; caught where answers are sent, and nowhere else."""

    def __init__(
        self,
        problem: Problem,
        *,
        reason: str = "",
        rules: tuple[str, ...] = (),
        headers: Headers | None = None,
    ) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.reason = reason
        """A finer code, such as that of a release that does not verify."""
        self.rules = rules
        self.headers = headers or []


def body(refused: Refused, face: Face, request: str) -> bytes:
    """Return the body of the answer."""
    problem = refused.problem
    extra: dict[str, object] = {}
    if refused.reason:
        extra["reason"] = refused.reason
    if refused.rules:
        extra["rules"] = list(refused.rules)
    if face is Face.OPENAI:
        error = {
            "message": problem.message,
            "type": problem.kind,
            "param": None,
            "code": problem.code,
            "request_id": request,
            **extra,
        }
        return orjson.dumps({"error": error})
    return orjson.dumps(
        {
            "type": f"urn:tidegate:problem:{problem.code}",
            "title": problem.message,
            "status": problem.status,
            "instance": f"urn:tidegate:request:{request}",
            "error": problem.message,
            "code": problem.code,
            **extra,
        }
    )


def media_type(face: Face) -> bytes:
    """Return the content type of the body."""
    return b"application/json" if face is Face.OPENAI else b"application/problem+json"
