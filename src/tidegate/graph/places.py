"""Where in a log something is said: read from its entries, which the log's head proves.

A table that says the same can be edited, and a refusal or a quarantine left out of it would never
have been. So whoever relies on *nothing else was said* asks here.

>>> places = Places()
>>> places.extend([b'{"kind":"trust","subjects":["sha256:aa"]}', b'{"kind":"directive"}'])
>>> places.size, places.directives, places.trust
(2, [1], ['sha256:aa'])
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tidegate.core.attest.uris import GATE, TEST_RESULT
from tidegate.core.canonical import Json

_STATEMENTS = frozenset({"attestation", "drill"})


class Places:
    """The entries of one log by what they are about; grows with it."""

    def __init__(self) -> None:
        self.size = 0
        """How many entries were read."""
        self.directives: list[int] = []
        self.backdated: set[int] = set()
        """Entries that say an earlier time than one before them: no log writes such, and a key
        that ended since would count again."""
        self.test_results: list[int] = []
        """Entries with a test result, such as a policy's."""
        self.trust: list[str] = []
        """Digests of the versions of the trust root."""
        self._about: defaultdict[str, list[int]] = defaultdict(list)
        self._drills: set[int] = set()
        self._latest = 0

    def extend(self, entries: Iterable[bytes]) -> None:
        """Take up the entries that follow, each proved by the caller.

        Entries that this version does not know, or that are no entries at all, are passed over:
        nothing rests on them, and who can write to the store stops nobody with them.
        """
        for entry in entries:
            # Not Entry.parse: it costs ten times as much, and who reads the entry parses it.
            said = _said(entry)
            kind, index = str(said.get("kind")), self.size
            subjects = _texts(said.get("subjects"))
            statement = kind in _STATEMENTS and said.get("predicateType") == GATE
            self._note_time(index, said.get("time"))
            if kind == "directive":
                self.directives.append(index)
            elif kind == "trust":
                self.trust += subjects
            elif kind == "attestation" and said.get("predicateType") == TEST_RESULT:
                self.test_results.append(index)
            elif statement:
                if kind == "drill":
                    self._drills.add(index)
                for digest in subjects:
                    self._about[digest].append(index)
            self.size += 1

    def about(self, digest: str, *, drill: bool = False) -> Sequence[int]:
        """Return the indices of gate statements about an artifact, oldest first.

        Args:
            digest: ``sha256:…``.
            drill: Whether those of entries that are marked as a drill's are wanted, too.
        """
        left_out = self.backdated if drill else self._drills | self.backdated
        return [index for index in self._about.get(digest, []) if index not in left_out]

    def _note_time(self, index: int, time: object) -> None:
        # An entry is not signed, its envelope is: who can write to the store chooses its time.
        if isinstance(time, int) and time >= self._latest:
            self._latest = time
        else:
            self.backdated.add(index)


def _said(entry: bytes) -> Mapping[str, Json]:
    try:
        said = json.loads(entry)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _texts(value: Json) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
