"""What of a request a model would read, with who said it.

Every text that can instruct is found, or the request is refused: a field that is not known, or
content that can't be checked (an image, token numbers), is not let through unseen.

>>> body = {"messages": [{"role": "user", "content": "hi"}, {"role": "tool", "content": "42"}]}
>>> [(text.kind.value, text.path) for text in chat_texts(body)]
[('user', 'messages.0'), ('document', 'messages.1')]
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tidegate.detect.prompt.head import Kind
from tidegate.gateway.problems import NOT_JSON, UNKNOWN_FIELD, UNSCREENED, Refused

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """A text and who said it."""

    kind: Kind
    path: str
    text: str


_COMMON = frozenset(
    """model stream stream_options temperature top_p n stop seed user logit_bias logprobs
    top_logprobs presence_penalty frequency_penalty max_tokens max_completion_tokens service_tier
    store metadata""".split()  # noqa: SIM905 - a list of words reads best as words
)
_CHAT = _COMMON | frozenset(
    """messages documents tools tool_choice parallel_tool_calls response_format functions
    function_call modalities reasoning_effort verbosity""".split()  # noqa: SIM905 - same
)
_COMPLETION = _COMMON | {"prompt", "suffix", "echo", "best_of"}
_EMBEDDING = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
_INFER = frozenset({"id", "parameters", "inputs", "outputs"})

_OWN = frozenset({"system", "developer", "assistant"})
"""Roles that the caller's own program speaks in: they are its instructions, or the model's own
words, and are not judged."""
_MESSAGE = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "function_call"}
)
_TOOL_ROLES = frozenset({"tool", "function"})
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal"})
_DOCUMENT_PARTS = frozenset({"document", "tool_result", "search_result"})


def chat_texts(body: Body) -> Iterator[Text]:
    """Return the texts of a chat request.

    Raises:
        Refused: It has an unknown field, or content that can't be checked.
    """
    _known(body, _CHAT)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(NOT_JSON, reason="messages")
    for number, message in enumerate(messages):
        yield from _message(message, f"messages.{number}")
    documents = body.get("documents")
    if documents is not None:
        yield from _strings(documents, "documents")


def completion_texts(body: Body) -> Iterator[Text]:
    """Return the texts of a completion request.

    Raises:
        Refused: As for :func:`chat_texts`.
    """
    _known(body, _COMPLETION)
    yield from _plain(body.get("prompt"), "prompt", Kind.USER)
    if body.get("suffix") is not None:
        yield from _plain(body["suffix"], "suffix", Kind.USER)


def embedding_texts(body: Body) -> Iterator[Text]:
    """Return the texts to embed: what goes into an index is a document.

    Raises:
        Refused: As for :func:`chat_texts`.
    """
    _known(body, _EMBEDDING)
    yield from _plain(body.get("input"), "input", Kind.DOCUMENT)


def infer_texts(body: Body) -> Iterator[Text]:
    """Return the strings of an Open Inference v2 request; numbers instruct nobody.

    Raises:
        Refused: As for :func:`chat_texts`.
    """
    _known(body, _INFER)
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise Refused(NOT_JSON, reason="inputs")
    for number, tensor in enumerate(inputs):
        if not isinstance(tensor, dict) or not isinstance(tensor.get("data"), list):
            raise Refused(UNSCREENED, reason="binary-tensor")
        if str(tensor.get("datatype")).upper() in {"BYTES", "STRING"}:
            path = f"inputs.{number}"
            yield from (Text(Kind.USER, path, item.text) for item in _strings(tensor["data"], path))


READERS: Mapping[str, Callable[[Body], Iterator[Text]]] = MappingProxyType(
    {
        "chat": chat_texts,
        "completions": completion_texts,
        "embeddings": embedding_texts,
        "infer": infer_texts,
    }
)
"""The reader of each operation."""


def _known(body: Body, fields: frozenset[str]) -> None:
    if not body.keys() <= fields:
        raise Refused(UNKNOWN_FIELD)


def _message(message: Any, path: str) -> Iterator[Text]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refused(NOT_JSON, reason="message")
    if not message.keys() <= _MESSAGE:
        raise Refused(UNKNOWN_FIELD, reason="message")
    role = message["role"]
    if role in _OWN:
        return
    kind = Kind.DOCUMENT if role in _TOOL_ROLES else Kind.USER
    content = message.get("content")
    if isinstance(content, str):
        yield Text(kind, path, content)
    elif isinstance(content, list):
        for number, part in enumerate(content):
            yield from _part(part, f"{path}.{number}", kind)
    elif content is not None:
        raise Refused(NOT_JSON, reason="content")


def _part(part: Any, path: str, kind: Kind) -> Iterator[Text]:
    if isinstance(part, str):
        yield Text(kind, path, part)
        return
    if not isinstance(part, dict):
        raise Refused(NOT_JSON, reason="content")
    named = part.get("type")
    if named in _TEXT_PARTS and isinstance(part.get("text"), str):
        yield Text(kind, path, part["text"])
    elif named in _DOCUMENT_PARTS:
        yield from _strings(part, path)
    else:
        raise Refused(UNSCREENED, reason="content-part")


def _plain(value: Any, path: str, kind: Kind) -> Iterator[Text]:
    items = value if isinstance(value, list) else [value]
    if not items or value is None:
        raise Refused(NOT_JSON, reason=path)
    for item in items:
        if not isinstance(item, str):
            raise Refused(UNSCREENED, reason="tokens")
        yield Text(kind, path, item)


def _strings(value: Any, path: str) -> Iterator[Text]:
    """Return every string inside, keys left out; the parser has bounded the depth."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield Text(Kind.DOCUMENT, path, item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
