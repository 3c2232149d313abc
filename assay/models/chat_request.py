"""pydantic-ai messages as OpenAI chat-completion JSON, each message encoded only once.

A conversation grows at its end, so encoding all of it for every request would cost
more than everything else here; joining what is encoded already costs next to nothing.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    CachePoint,
    ModelMessage,
    ModelResponse,
    RetryFeedbackPart,
    RetryPromptPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from assay.models.chat_settings import MaxTokensField, wire_settings


class RequestWriter:
    """Writes the requests of one conversation.

    Any sequence of messages is written rightly; a sequence that begins with the very
    same objects as the last one is written cheaply. A message that was written once
    must not be changed afterwards.

    Args:
        model_name: As the server knows it.
        max_tokens_field: The server's name for the longest answer.
    """

    def __init__(self, model_name: str, *, max_tokens_field: MaxTokensField) -> None:
        self._model_name = model_name
        self._max_tokens_field = max_tokens_field
        self._written: list[tuple[ModelMessage, bytes]] = []
        self._tools_of: tuple[ModelRequestParameters | None, bytes] = (None, b"")

    def body(
        self,
        messages: Sequence[ModelMessage],
        settings: ModelSettings,
        parameters: ModelRequestParameters,
    ) -> bytes:
        """One request's JSON."""
        tools = self._tools(parameters)
        head = wire_settings(
            settings, max_tokens_field=self._max_tokens_field, with_tools=bool(tools)
        )
        return b'%b,"messages":[%b]%b}' % (
            dump({"model": self._model_name, **head})[:-1],
            b",".join(self._messages(messages)),
            tools,
        )

    def _messages(self, messages: Sequence[ModelMessage]) -> Iterable[bytes]:
        known = 0
        for (written, _), message in zip(self._written, messages, strict=False):
            if written is not message:
                break
            known += 1
        del self._written[known:]
        self._written += [
            (message, dump(wire_messages(message))[1:-1]) for message in messages[known:]
        ]
        return (text for _, text in self._written if text)

    def _tools(self, parameters: ModelRequestParameters) -> bytes:
        """`,"tools":[...]`, or nothing where none are offered."""
        if self._tools_of[0] is not parameters:
            tools = [_tool(tool) for tool in parameters.function_tools]
            self._tools_of = (parameters, b',"tools":' + dump(tools) if tools else b"")
        return self._tools_of[1]


def wire_messages(message: ModelMessage) -> list[dict[str, Any]]:
    """One message's chat messages: a request has one for each part, a response one in all.

    Thinking is left out: no server takes it back in this format.

    Raises:
        UserError: A part cannot be sent in this format, such as an image.
    """
    if isinstance(message, ModelResponse):
        return [_assistant(message)]
    instructions = [] if message.instructions is None else [_said("system", message.instructions)]
    return instructions + [_request_part(part) for part in message.parts]


def dump(value: Any) -> bytes:
    """JSON in UTF-8; what orjson refuses (lone surrogates, huge integers) is escaped."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def _request_part(part: Any) -> dict[str, Any]:
    match part:
        case ToolReturnPart():
            if part.files:
                raise _cannot_send("a file that a tool returned")
            return _tool_answer(part.tool_call_id, part.model_response_str())
        case UserPromptPart(content=str(text)):
            return _said("user", text)
        case UserPromptPart():
            return _said("user", [_text_item(item) for item in _spoken(part.content)])
        case SystemPromptPart():
            return _said("system", part.content)
        case RetryPromptPart(tool_name=str()):
            return _tool_answer(part.tool_call_id, part.model_response())
        case RetryPromptPart() | RetryFeedbackPart():
            return _said("user", part.model_response())
        case _:
            raise _cannot_send(type(part).__name__)


def _assistant(response: ModelResponse) -> dict[str, Any]:
    texts, calls = [], []
    for part in response.parts:
        match part:
            case TextPart():
                texts.append(part.content)
            case ToolCallPart():
                calls.append(_call(part))
            case ThinkingPart():
                pass
            case _:
                raise _cannot_send(type(part).__name__)
    said = _said("assistant", "\n\n".join(texts) if texts or not calls else None)
    return {**said, "tool_calls": calls} if calls else said


def _call(part: ToolCallPart) -> dict[str, Any]:
    return {
        "id": part.tool_call_id,
        "type": "function",
        "function": {"name": part.tool_name, "arguments": part.args_as_json_str()},
    }


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters_json_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _spoken(content: str | Sequence[UserContent]) -> Iterable[UserContent]:
    return (item for item in content if not isinstance(item, CachePoint))


def _text_item(item: UserContent) -> dict[str, str]:
    match item:
        case str():
            return {"type": "text", "text": item}
        case TextContent():
            return {"type": "text", "text": item.content}
        case _:
            raise _cannot_send(type(item).__name__)


def _said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def _tool_answer(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _cannot_send(what: str) -> UserError:
    return UserError(f"{what} cannot be sent to an OpenAI-compatible server by Assay: text only")
