"""The input check of a request: each text judged once, answers to repeats remembered.

A chat client sends its whole history with every turn, so verdicts are kept by a keyed hash of the
text. Long texts are judged in a worker thread, so that other requests go on.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from tidegate.core.errors import CheckError
from tidegate.detect.prompt.check import PromptReport, inspect_prompt
from tidegate.detect.prompt.head import heads
from tidegate.gateway.problems import NO_CHECK, TOO_LARGE, UNSCREENED, Refused
from tidegate.gateway.segments import Text

_REMEMBERED = 4_096
_SHORT = 1_000
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Screening:
    """What the check says of a whole request."""

    flagged: bool
    rules: tuple[str, ...]
    texts: int
    characters: int


@dataclass(frozen=True, slots=True)
class _Verdict:
    flagged: bool
    rules: tuple[str, ...]


class Guard:
    """Judges requests.

    Args:
        max_text: Characters of one request; the judging takes time with each.

    Raises:
        CheckError: The model that ships with Tidegate is damaged.
    """

    def __init__(self, max_text: int) -> None:
        self._max_text = max_text
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._limiter = CapacityLimiter(_THREADS)
        heads()

    async def screen(self, texts: Iterable[Text]) -> Screening:
        """Judge every text of a request.

        Raises:
            Refused: There is too much text, or the check can't run to its end.
        """
        found = list(texts)
        size = sum(len(text.text) for text in found)
        if size > self._max_text:
            raise Refused(TOO_LARGE, reason="text")
        verdicts = [await self._judge(text) for text in found]
        flagged = [verdict for verdict in verdicts if verdict.flagged]
        rules = dict.fromkeys(rule for verdict in flagged for rule in verdict.rules)
        return Screening(bool(flagged), tuple(rules), len(found), size)

    async def _judge(self, text: Text) -> _Verdict:
        name = self._name(text)
        known = self._known.get(name)
        if known is not None:
            self._known.move_to_end(name)
            return known
        try:
            if len(text.text) <= _SHORT:
                report = inspect_prompt(text.text, text.kind)
            else:
                report = await to_thread.run_sync(
                    inspect_prompt, text.text, text.kind, limiter=self._limiter
                )
        except CheckError:
            raise Refused(NO_CHECK) from None
        verdict = _verdict(report)
        self._known[name] = verdict
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return verdict

    def _name(self, text: Text) -> bytes:
        # Keyed, so that nobody can prepare two texts of one name.
        data = f"{text.kind}\0{text.text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=16).digest()


def _verdict(report: PromptReport) -> _Verdict:
    # What was cut short was not judged to its end: it does not pass.
    if report.coverage.skipped and not report.flagged:
        raise Refused(UNSCREENED, reason="encodings")
    return _Verdict(report.flagged, report.rules)
