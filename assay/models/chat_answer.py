"""An OpenAI chat-completion answer as a pydantic-ai response.

What the server does not say stays unknown; what makes no sense is refused with a
piece of the text, so that a run's error says what came.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import (
    FinishReason,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from pydantic_ai.usage import RequestUsage

MAX_QUOTED_CHARS = 2_000
"""What an error quotes of a server's text."""
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
}


def read_answer(
    body: bytes, *, model_name: str, provider_name: str, provider_url: str, call_prefix: str
) -> ModelResponse:
    """The response that a body with status 200 holds.

    Where the server sends no usage, the response says so: `usage.unmeasured_requests`
    is 1 and `provider_details["usage_missing"]` is True; its token counts mean nothing.

    Args:
        body: JSON in UTF-8.
        model_name: As asked for; the server's own name of the model wins.
        provider_name: As stored with the response.
        provider_url: As stored with the response.
        call_prefix: Begins the ids of tool calls to which the server gave none.

    Raises:
        UnexpectedModelBehavior: The body is not a chat completion.
        ModelHTTPError: The body is an error, sent with status 200.
    """
    answer = _parsed(body)
    message, finish = _first_choice(answer, body, model_name=model_name)
    usage = _usage(answer.get("usage"))
    details: dict[str, Any] = {} if finish is None else {"finish_reason": finish}
    if usage is None:
        details["usage_missing"] = True
    return ModelResponse(
        parts=_parts(message, body, call_prefix=call_prefix),
        usage=usage or RequestUsage(unmeasured_requests=1),
        model_name=_text(answer.get("model")) or model_name,
        provider_name=provider_name,
        provider_url=provider_url,
        provider_details=details or None,
        provider_response_id=_text(answer.get("id")),
        finish_reason=None if finish is None else _FINISH.get(finish),
    )


def quoted(body: bytes) -> str:
    """The beginning of a server's text, for an error."""
    return body[: 4 * MAX_QUOTED_CHARS].decode(errors="replace")[:MAX_QUOTED_CHARS]


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _refusal("the answer is not JSON", body) from None
    if not isinstance(answer, dict):
        raise _refusal("the answer is not a JSON object", body)
    return answer


def _first_choice(
    answer: Mapping[str, Any], body: bytes, *, model_name: str
) -> tuple[dict[str, Any], str | None]:
    match answer:
        case {"choices": [{"message": dict(message), **rest}, *_]}:
            return message, _text(rest.get("finish_reason"))
        case {"error": {"code": int(status)}} if 400 <= status < 600:
            # Gateways put the error of the server behind them into a 200.
            raise ModelHTTPError(status, model_name, quoted(body))
    raise _refusal("the answer holds no message", body)


def _parts(message: Mapping[str, Any], body: bytes, *, call_prefix: str) -> list[ModelResponsePart]:
    parts: list[ModelResponsePart] = []
    if thought := _text(message.get("reasoning_content")) or _text(message.get("reasoning")):
        parts.append(ThinkingPart(thought))
    if said := _content(message.get("content"), body) or _text(message.get("refusal")):
        parts.append(TextPart(said))
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise _refusal("`tool_calls` is not a list", body)
    parts += [_call(call, body, number=f"{call_prefix}_{n}") for n, call in enumerate(calls)]
    return parts


def _content(content: object, body: bytes) -> str:
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            texts = [item.get("text") for item in content if isinstance(item, dict)]
            return "".join(text for text in texts if isinstance(text, str))
    raise _refusal("`content` is neither text nor a list", body)


def _call(call: object, body: bytes, *, number: str) -> ToolCallPart:
    match call:
        case {"function": {"name": str(name), **function}, **rest} if name:
            arguments = function.get("arguments")
            if arguments is None or isinstance(arguments, str | dict):
                return ToolCallPart(name, arguments, _text(rest.get("id")) or number)
    raise _refusal("a tool call has no name, or arguments that are not JSON text", body)


def _usage(usage: object) -> RequestUsage | None:
    """What was used; None unless both sums are there and make sense."""
    if not isinstance(usage, dict):
        return None
    given, made = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if given is None or made is None:
        return None
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    return RequestUsage(
        input_tokens=given,
        output_tokens=made,
        cache_read_tokens=min(given, _detail(usage, "prompt_tokens_details", "cached_tokens")),
        output_reasoning_tokens=reasoning,
        details={"reasoning_tokens": reasoning} if reasoning else {},
    )


def _detail(usage: Mapping[str, Any], group: str, key: str) -> int:
    details = usage.get(group)
    return (_count(details.get(key)) or 0) if isinstance(details, dict) else 0


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else None  # type: ignore[return-value]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _refusal(problem: str, body: bytes) -> UnexpectedModelBehavior:
    return UnexpectedModelBehavior(problem, quoted(body))
