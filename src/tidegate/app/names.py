"""How people name artifacts: a path, a digest, ``NAME@VERSION``, or a deployment ``NAME/STAGE``."""

from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError


def find_artifact(workspace: Workspace, text: str) -> str:
    """Return the digest that a person means.

    A name that is an alias wins over a path, which can be written ``./name`` to be meant.

    Raises:
        SubjectError: Nothing is called so.
    """
    if text.startswith("sha256:"):
        return str(Digest.parse(text))
    named = workspace.directives().resolve(text)
    if named is not None:
        return named
    path = Path(text)
    if path.exists():
        return str(resolve(path).digest)
    raise SubjectError(
        "nothing is called so",
        where=text[:200],
        next_step="name a path, sha256:…, NAME@VERSION or NAME/STAGE",
        slug="no-such-artifact",
    )
