"""What is said to the server is exactly what is in the conversation."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    RetryInfo,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters

from assay.models.chat_request import RequestWriter, wire_messages

TEXT = st.text(st.characters(codec="utf-8"), min_size=1)
ARGUMENTS = st.dictionaries(
    TEXT, st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT | st.lists(TEXT)
)
REQUESTS = st.builds(
    ModelRequest,
    parts=st.lists(
        st.builds(SystemPromptPart, TEXT)
        | st.builds(UserPromptPart, TEXT | st.lists(TEXT, min_size=1))
        | st.builds(ToolReturnPart, TEXT, TEXT | ARGUMENTS, TEXT),
        min_size=1,
    ),
)
RESPONSES = st.builds(
    ModelResponse,
    parts=st.lists(
        st.builds(TextPart, TEXT) | st.builds(ToolCallPart, TEXT, ARGUMENTS, TEXT), min_size=1
    ),
)
CONVERSATIONS = st.lists(REQUESTS | RESPONSES, max_size=6)
PARAMETERS = ModelRequestParameters()


def sent(messages: list[ModelMessage], writer: RequestWriter | None = None) -> list[dict[str, Any]]:
    writer = writer or RequestWriter("m", max_tokens_field="max_tokens")
    body = json.loads(writer.body(messages, {}, PARAMETERS))
    return list(body["messages"])


def everything_said(messages: list[dict[str, Any]]) -> list[Any]:
    """Texts, tool arguments and tool answers, in the order in which the server reads them."""
    said: list[Any] = []
    for message in messages:
        content = message["content"]
        said += [part["text"] for part in content] if isinstance(content, list) else [content]
        for call in message.get("tool_calls", []):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            said.append((call["id"], name, json.loads(arguments)))
    return [each for each in said if each is not None]


def everything_meant(messages: list[ModelMessage]) -> list[Any]:
    meant: list[Any] = []
    for message in messages:
        texts, rest = [], []
        for part in message.parts:
            match part:
                case TextPart():
                    texts.append(part.content)
                case ToolCallPart():
                    rest.append((part.tool_call_id, part.tool_name, part.args))
                case ToolReturnPart():
                    rest.append(part.model_response_str())
                case UserPromptPart(content=list()):
                    rest += part.content
                case SystemPromptPart() | UserPromptPart():
                    rest.append(part.content)
        meant += (["\n\n".join(texts)] if texts else []) + rest
    return meant


@given(CONVERSATIONS)
def test_nothing_that_was_said_is_lost(messages: list[ModelMessage]) -> None:
    """A dropped text or argument would change the very prompt that is evaluated."""
    assert everything_said(sent(messages)) == everything_meant(messages)


@given(CONVERSATIONS, st.data())
def test_what_was_written_before_changes_nothing(
    messages: list[ModelMessage], data: st.DataObject
) -> None:
    """Reuse is a matter of speed only, whatever conversation came before."""
    writer = RequestWriter("m", max_tokens_field="max_tokens")
    before = messages[: data.draw(st.integers(0, len(messages)))] + data.draw(CONVERSATIONS)
    sent(before, writer)
    assert sent(messages, writer) == sent(messages)


@given(st.text(max_size=20))
def test_every_text_can_be_sent(text: str) -> None:
    """A golden task with a lone surrogate must fail at the server's, not break the harness."""
    assert sent([ModelRequest(parts=[UserPromptPart(text)])])[0]["content"] == text


def test_thinking_is_not_sent_back() -> None:
    """No server takes it in this format; some refuse the request for it."""
    response = ModelResponse(parts=[ThinkingPart("hm"), TextPart("Yes.")])
    assert sent([response]) == [{"role": "assistant", "content": "Yes."}]


def test_a_call_without_words_has_no_content() -> None:
    """Servers tell an empty text from none."""
    message = sent([ModelResponse(parts=[ToolCallPart("now", {}, "call_1")])])[0]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}


def test_a_failed_tool_is_said_to_have_failed() -> None:
    """The format has no error channel: the model must read the failure in the text."""
    part = ToolReturnPart("kb_search", "the shard is down", "call_1", outcome="failed")
    message = sent([ModelRequest(parts=[part])])[0]
    assert message["tool_call_id"] == "call_1"
    assert json.loads(message["content"]) == {"error": "the shard is down"}


def test_feedback_without_a_call_is_said_by_the_user() -> None:
    """It must reach the model in some way."""
    part = RetryFeedbackPart("not JSON", retry=RetryInfo("unexpected_output"))  # type: ignore[arg-type]
    message = sent([ModelRequest(parts=[part])])[0]
    assert message["role"] == "user"
    assert "not JSON" in message["content"]


@pytest.mark.parametrize(
    "part",
    [
        UserPromptPart(["look:", ImageUrl("https://example.com/a.png")]),
        ToolReturnPart("shot", [BinaryContent(b"0", media_type="image/png")], "call_1"),
    ],
)
def test_what_cannot_be_sent_is_refused(part: Any) -> None:
    """Leaving an image out silently would evaluate another task."""
    with pytest.raises(UserError, match="text only"):
        wire_messages(ModelRequest(parts=[part]))
