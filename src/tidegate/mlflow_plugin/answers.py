"""Refusals as MLflow's own errors: what is missing, and what to do next.

``PERMISSION_DENIED`` is HTTP 403, which MLflow's clients don't try again; 500 and 503 they would,
for minutes.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED

from tidegate.core.errors import TidegateError

_log = logging.getLogger(__name__)


def refusal(error: TidegateError, what: str) -> MlflowException:
    """Return a refusal of something that somebody asked of MLflow.

    Args:
        error: Why.
        what: What was refused: ``version of tumour``.
    """
    _log.warning("refused by Tidegate: %s, %s", what, error.code)
    cause = f" ({error.cause})" if error.cause else ""
    where = f" [{error.where}]" if error.where else ""
    step = f" Next: {error.next_step}." if error.next_step else ""
    text = f"Tidegate refused the {what}: {error.problem}{where}{cause}. {error.code}.{step}"
    return MlflowException(text, error_code=PERMISSION_DENIED)


def denied(what: str, why: str, step: str) -> MlflowException:
    """Return a refusal that no evidence can change."""
    text = f"Tidegate refused the {what}: {why}. Next: {step}."
    return MlflowException(text, error_code=PERMISSION_DENIED)


def malformed(what: str, why: str) -> MlflowException:
    """Return what is said of a request that can't be understood."""
    text = f"Tidegate can't read the {what}: {why}."
    return MlflowException(text, error_code=INVALID_PARAMETER_VALUE)


@contextmanager
def refusing(what: str) -> Generator[None]:
    """Turn our errors into MLflow's.

    Raises:
        MlflowException: In place of any error of ours.
    """
    try:
        yield
    except TidegateError as error:
        raise refusal(error, what) from None


def shown(uri: str) -> str:
    """Return a URI without user, password and query, for messages.

    >>> shown("https://me:secret@host/a?token=1")
    'https://host/a'
    """
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))[:300]
