"""The predicates that this version knows, by type URI, and the one check over all of them.

Ours are classes of their own: ``gate.GatePredicate`` and ``directive.Directive``; those of others
are built and checked in ``standard``.

>>> check_predicate(Statement((), "urn:example:v9", {}))
False
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tidegate.core.attest import uris
from tidegate.core.attest.directive import Directive
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.attest.statement import Statement
from tidegate.core.canonical import Json
from tidegate.core.identity.trust import TrustRoot
from tidegate.interop.standard import (
    check_slsa_provenance,
    check_test_result,
    check_verification_summary,
)

CHECKS: Mapping[str, Callable[[Json], object]] = MappingProxyType(
    {
        uris.GATE: GatePredicate.from_json,
        uris.DIRECTIVE: Directive.from_json,
        uris.TRUST: TrustRoot.from_json,
        uris.SLSA_PROVENANCE: check_slsa_provenance,
        uris.VERIFICATION_SUMMARY: check_verification_summary,
        uris.TEST_RESULT: check_test_result,
    }
)
"""Type URI to what raises on a predicate that can't be relied on."""


def check_predicate(statement: Statement) -> bool:
    """Check a statement's predicate, if this version knows its type.

    Returns:
        Whether it does. A statement of an unknown type is kept, and proves nothing.

    Raises:
        VerificationError: The type is known, and the predicate is damaged.
    """
    check = CHECKS.get(statement.predicate_type)
    if check is None:
        return False
    check(statement.predicate)
    return True
