"""How many tokens a request and a response are: an estimate that needs no tokenizer.

One token per four UTF-8 bytes, and a few for each message's frame, is what
tokenizers of English come to; the same text always counts the same.
"""

from functools import lru_cache
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_core import to_json

BYTES_PER_TOKEN = 4
FRAME_TOKENS = 4
"""Role and delimiters around each part of a message."""


class Ledger:
    """Token counts of one run's conversation; each part is counted once.

    Counts are kept by object identity, and each counted object is held on to, so
    that no later object can be taken for it.
    """

    __slots__ = ("_counted",)

    def __init__(self) -> None:
        self._counted: dict[int, tuple[object, int]] = {}

    def request_tokens(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters
    ) -> int:
        """Tokens of everything that is sent: tools, system prompt and the whole history."""
        total = self._once(parameters, _tools_tokens)
        for message in messages:
            total += self._once(message, _message_tokens)
        return total

    def _once(self, item: object, count: Any) -> int:
        known = self._counted.get(id(item))
        if known is None:
            known = self._counted[id(item)] = (item, count(item))
        return known[1]


@lru_cache(maxsize=4096)
def text_tokens(text: str) -> int:
    """Tokens of a text, >= 0.

    >>> text_tokens("Where is my order?")
    5
    """
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def response_tokens(response: ModelResponse) -> int:
    """Tokens of what the model wrote: its text and its tool calls."""
    return sum(_part_tokens(part) for part in response.parts)


def content_text(content: Any) -> str:
    """What a tool returned, as the text that a provider would send."""
    if isinstance(content, str):
        return content
    return to_json(content, fallback=str, inf_nan_mode="null").decode()


def _message_tokens(message: ModelMessage) -> int:
    extra = text_tokens(message.instructions or "") if isinstance(message, ModelRequest) else 0
    return extra + sum(_part_tokens(part) for part in message.parts)


def _part_tokens(part: object) -> int:
    if isinstance(part, ToolCallPart):
        return FRAME_TOKENS + text_tokens(part.tool_name) + text_tokens(content_text(part.args))
    return FRAME_TOKENS + text_tokens(content_text(getattr(part, "content", "")))


def _tools_tokens(parameters: ModelRequestParameters) -> int:
    return sum(
        FRAME_TOKENS
        + text_tokens(tool.name)
        + text_tokens(tool.description or "")
        + text_tokens(content_text(tool.parameters_json_schema))
        for tool in parameters.function_tools
    )
