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


@lru_cache(maxsize=4096)
def text_tokens(text: str) -> int:
    """Tokens of a text, >= 0.

    >>> text_tokens("Where is my order?")
    5
    """
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def message_tokens(message: ModelMessage) -> int:
    """Tokens of one message of the history, as it is sent again with each request."""
    extra = text_tokens(message.instructions or "") if isinstance(message, ModelRequest) else 0
    return extra + sum(_part_tokens(part) for part in message.parts)


def tools_tokens(parameters: ModelRequestParameters) -> int:
    """Tokens of the schemas of the tools that are offered."""
    return sum(
        FRAME_TOKENS
        + text_tokens(tool.name)
        + text_tokens(tool.description or "")
        + text_tokens(content_text(tool.parameters_json_schema))
        for tool in parameters.function_tools
    )


def response_tokens(response: ModelResponse) -> int:
    """Tokens of what the model wrote: its text and its tool calls."""
    return sum(_part_tokens(part) for part in response.parts)


def content_text(content: Any) -> str:
    """What a tool returned, as the text that a provider would send."""
    if isinstance(content, str):
        return content
    try:
        return to_json(content, fallback=str, inf_nan_mode="null").decode()
    except ValueError:  # half a surrogate pair, or nested without end
        return f"<{type(content).__name__}>"


def _part_tokens(part: object) -> int:
    if isinstance(part, ToolCallPart):
        return FRAME_TOKENS + text_tokens(part.tool_name) + text_tokens(content_text(part.args))
    return FRAME_TOKENS + text_tokens(content_text(getattr(part, "content", "")))
