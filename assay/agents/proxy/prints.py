"""What an agent asked, as a record keeps it: enough to find it again, and to say what changed.

It is printed with the prompt under test in it and before its limits are brought down: these hang
on what other requests of the run have used by then, and the agent's own words do not.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from assay.agents.proxy.answers import parsed
from assay.agents.proxy.dialect import Json
from assay.agents.proxy.reading import text_of, within
from assay.agents.proxy.responder import Asked
from assay.agents.request_print import canonical
from assay.store.record import without_secrets
from assay.store.tape import Request

MAX_PARTS = 5_000
MAX_SETTINGS = 200
MAX_NAME_CHARS = 40
"""Of a request beyond them the hash of the whole is kept."""
MAX_SHOWN_CHARS = 200
"""A longer setting is kept as its hash."""
MAX_OPENING_PARTS = 50
MAX_OPENING_CHARS = 50_000
"""Of each part."""
_INSTRUCTIONS = ("instructions", "system")
_CONVERSATION = ("messages", "input")
_TOOLS = ("tools", "functions")
_NO_NAME = re.compile(r"[^\w-]+")


class Printer:
    """The prints of one run's requests.

    Args:
        secrets: What a record hides: a replay only knows the text without them.
    """

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = secrets
        self._has_opened = False

    def of(self, asked: Asked) -> Request:
        """The print of a request; the first one's conversation is kept as it is."""
        path = self._safe(f"{asked.method} {asked.path}".encode())
        body = parsed(asked.content)
        if body is None:
            return {"path": path, "body": _hash(asked.content)}
        parts = [(name, self._text(part)) for name, part in _parts(body)]
        if len(parts) > MAX_PARTS or _has_odd_settings(body):
            return {"path": path, "body": _hash(self._text(body).encode())}
        own = body.keys() - {*_INSTRUCTIONS, *_CONVERSATION, *_TOOLS}
        return {
            "path": path,
            "messages": [f"{name} {_hash(text.encode())}" for name, text in parts],
            "settings": {text_of(name): self._setting(body[name]) for name in sorted(own)},
            "tools": _hash(self._text([body.get(name) for name in _TOOLS]).encode()),
            **self._opening(parts),
        }

    def _opening(self, parts: list[tuple[str, str]]) -> dict[str, Any]:
        if self._has_opened:
            return {}
        self._has_opened = True
        return {"opening": [text[:MAX_OPENING_CHARS] for _, text in parts[:MAX_OPENING_PARTS]]}

    def _setting(self, value: Any) -> str:
        """As text: JSON knows numbers that no file format takes."""
        text = self._text(value)
        return text if len(text) <= MAX_SHOWN_CHARS else f"sha256:{_hash(text.encode())}"

    def _text(self, value: Any) -> str:
        return self._safe(canonical(value).encode("utf-8", "replace"))

    def _safe(self, text: bytes) -> str:
        return without_secrets(text, self._secrets).decode("utf-8", "replace")


def _has_odd_settings(body: Json) -> bool:
    return len(body) > MAX_SETTINGS or any(len(name) > MAX_NAME_CHARS for name in body)


def _parts(body: Json) -> Iterator[tuple[str, Any]]:
    """What is said in a request, each part with what it is called."""
    for key in _INSTRUCTIONS:
        if key in body:
            yield key, body[key]
    for key in _CONVERSATION:
        if key in body:
            value = body[key]
            each_of = value if isinstance(value, list) else [value]
            yield from ((_name(key, each), each) for each in each_of)


def _name(key: str, part: Any) -> str:
    """`user-message` where a role is said, else its type such as `function_call_output`."""
    role, kind = text_of(within(part, "role")), text_of(within(part, "type"))
    name = f"{role}-message" if role else kind or key
    return _NO_NAME.sub("_", name)[:MAX_NAME_CHARS]


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
