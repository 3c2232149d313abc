"""What a run asks, as a record keeps it: enough to read it, and to tell two requests apart.

A conversation grows by its end, so a request's print holds a hash of each part that is new;
the opening, which no exchange holds, is kept as it is.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ToolCallPart

from assay.store.record import without_secrets
from assay.store.tape import Request

_CLOCKS = frozenset({"timestamp"})
_HIDDEN_SETTINGS = frozenset({"extra_headers"})
"""They may hold a key: their hash is kept."""


class RequestPrinter:
    """The prints of what one run asks its model and its tools.

    Args:
        tools_hash: Of the tools that every request offers.
        secrets: What a record hides: a replay only knows the text without them.
    """

    def __init__(self, tools_hash: str, secrets: tuple[bytes, ...] = ()) -> None:
        self._tools_hash = tools_hash
        self._secrets = secrets
        self._seen = 0

    def of(self, messages: Sequence[ModelMessage], settings: Mapping[str, Any]) -> Request:
        """The print of the next request, whose messages begin with those of the last one."""
        new = _meaning(messages[self._seen :])
        parts = [part for message in new for part in message["parts"]]
        opening = {} if self._seen else {"opening": new}
        self._seen = len(messages)
        return {
            "messages": [f"{part['part_kind']} {self._hash(part)}" for part in parts],
            "settings": shown_settings(settings),
            "tools": self._tools_hash,
            **opening,
        }

    def of_call(self, call: ToolCallPart) -> Request:
        """The print of a tool call: its arguments in one spelling."""
        try:
            arguments = canonical(call.args_as_dict(raise_if_invalid=True))
        except (ValueError, AssertionError):
            arguments = call.args_as_json_str()  # no JSON object: as the model wrote it
        hidden = without_secrets(arguments.encode("utf-8", "replace"), self._secrets)
        return {"tool": call.tool_name, "arguments": hidden.decode()}

    def _hash(self, part: Mapping[str, Any]) -> str:
        text = without_secrets(canonical(part).encode("utf-8", "replace"), self._secrets)
        return hashlib.sha256(text).hexdigest()[:16]


def shown_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as JSON, without what may be secret; doing it again changes nothing."""
    return {
        name: hidden(value) if name in _HIDDEN_SETTINGS else json.loads(canonical(value))
        for name, value in settings.items()
    }


def canonical(value: Any) -> str:
    """The same text for the same JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def hidden(value: Any) -> str:
    """Its hash; doing it again changes nothing."""
    if isinstance(value, str) and value.startswith("sha256:"):
        return value
    return "sha256:" + hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def _meaning(messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
    """The messages' parts as JSON, without the clock."""
    dumped = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    return [
        {
            "kind": message["kind"],
            "parts": [
                {key: value for key, value in part.items() if key not in _CLOCKS}
                for part in message["parts"]
            ],
        }
        for message in dumped
    ]
