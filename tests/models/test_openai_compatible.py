"""The lean model against a real HTTP server that behaves well, badly, and not at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic_ai.exceptions import (
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from assay.models.endpoint import MAX_ANSWER_BYTES, open_endpoint
from assay.models.openai_compatible import OpenAICompatibleModel
from tests.fakes.openai_server import (
    FakeOpenAI,
    Reply,
    answers,
    calls,
    completion,
    cuts_off,
    hangs,
    refuses,
    resets,
    says,
)

KEY = "sk-very-secret-0123456789"
QUESTION: list[ModelMessage] = [
    ModelRequest(parts=[SystemPromptPart("Be brief."), UserPromptPart("Where is my parcel?")])
]


@asynccontextmanager
async def talking_to(
    *replies: Reply, api_key: str = KEY
) -> AsyncIterator[tuple[OpenAICompatibleModel, FakeOpenAI]]:
    async with (
        FakeOpenAI(replies) as server,
        open_endpoint(
            server.base_url, api_key=api_key, max_concurrency=4, provider_name="fake"
        ) as endpoint,
    ):
        yield OpenAICompatibleModel("fake-model", endpoint=endpoint), server


async def ask(
    *replies: Reply,
    settings: ModelSettings | None = None,
    tools: list[ToolDefinition] | None = None,
) -> tuple[ModelResponse, FakeOpenAI]:
    async with talking_to(*replies) as (model, server):
        parameters = ModelRequestParameters(function_tools=tools or [])
        return await model.request(QUESTION, settings, parameters), server


async def test_an_answer_brings_its_text_and_all_that_it_used() -> None:
    """Tokens are what is judged: each kind must arrive in its own column."""
    usage = {
        "prompt_tokens": 120,
        "completion_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    response, _ = await ask(says("On its way.", usage=usage))
    assert response.text == "On its way."
    assert response.finish_reason == "stop"
    assert response.model_name == "fake-model-1"
    assert response.provider_response_id == "chatcmpl-1"
    assert (response.usage.input_tokens, response.usage.output_tokens) == (120, 40)
    assert response.usage.cache_read_tokens == 100
    assert response.usage.details == {"reasoning_tokens": 30}
    assert "usage_missing" not in (response.provider_details or {})


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 5},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": True, "completion_tokens": 2},
        {"prompt_tokens": "7", "completion_tokens": 2},
        [],
    ],
)
async def test_usage_that_is_not_told_is_unknown_and_not_zero(usage: object) -> None:
    """A prompt must not look cheap because its server forgets to count."""
    response, _ = await ask(says("Hello.", usage=usage))
    assert (response.provider_details or {})["usage_missing"] is True
    assert response.usage.unmeasured_requests == 1


async def test_tool_calls_keep_their_order_ids_and_arguments() -> None:
    """The loop makes what was asked for, and answers it under the id it was asked with."""
    response, _ = await ask(calls(("kb_search", {"query": "späti 🚲"}), ("kb_read", '{"id": 7}')))
    assert [(c.tool_name, c.tool_call_id) for c in response.tool_calls] == [
        ("kb_search", "call_0"),
        ("kb_read", "call_1"),
    ]
    assert response.tool_calls[0].args_as_dict() == {"query": "späti 🚲"}
    assert response.tool_calls[1].args_as_dict() == {"id": 7}
    assert response.finish_reason == "tool_call"


async def test_a_tool_call_without_an_id_gets_the_same_one_every_time() -> None:
    """Some servers send none; a random one would make two equal runs differ."""
    call = {"type": "function", "function": {"name": "now", "arguments": {}}}
    reply = completion({"content": None, "tool_calls": [call, call]})
    first, _ = await ask(reply)
    second, _ = await ask(reply)
    ids = [call.tool_call_id for call in first.tool_calls]
    assert ids == [call.tool_call_id for call in second.tool_calls]
    assert len(set(ids)) == 2


async def test_the_request_carries_settings_tools_and_key() -> None:
    """A setting that does not arrive would silently change what is evaluated."""
    settings = ModelSettings(
        temperature=0.0,
        top_p=0.9,
        max_tokens=64,
        seed=7,
        stop_sequences=["END"],
        parallel_tool_calls=False,
        extra_body={"top_k": 1},
    )
    tool = ToolDefinition(
        name="kb_search", description="Search.", parameters_json_schema={"type": "object"}
    )
    _, server = await ask(says("ok"), settings=settings, tools=[tool])
    assert server.asked[0].body == {
        "model": "fake-model",
        "temperature": 0.0,
        "top_p": 0.9,
        "seed": 7,
        "parallel_tool_calls": False,
        "max_tokens": 64,
        "stop": ["END"],
        "top_k": 1,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is my parcel?"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "kb_search",
                    "description": "Search.",
                    "parameters": {"type": "object"},
                },
            }
        ],
    }
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_tool_settings_are_not_sent_without_tools() -> None:
    """OpenAI refuses `parallel_tool_calls` in a request that has no tools."""
    _, server = await ask(says("ok"), settings={"parallel_tool_calls": True})
    assert set(server.asked[0].body) == {"model", "messages"}


async def test_a_refusal_brings_its_status_and_how_long_to_wait() -> None:
    """The retry layer decides by both."""
    with pytest.raises(ModelHTTPError) as caught:
        await ask(refuses(429, "slow down", Retry_After="7"))
    assert caught.value.status_code == 429
    assert caught.value.retry_after == 7
    assert "slow down" in str(caught.value)


async def test_an_error_in_a_200_is_an_error() -> None:
    """Gateways send the failure of the server behind them with status 200."""
    with pytest.raises(ModelHTTPError) as caught:
        await ask(answers('{"error": {"code": 503, "message": "upstream is down"}}'))
    assert caught.value.status_code == 503


async def test_a_redirect_is_not_followed() -> None:
    """The prompt and the key go to the configured address and nowhere else."""
    with pytest.raises(ModelHTTPError) as caught:
        await ask(refuses(307, Location="http://127.0.0.1:9/elsewhere"))
    assert caught.value.status_code == 307


@pytest.mark.parametrize("reply", [resets(), cuts_off()])
async def test_a_lost_connection_is_a_connection_error(reply: Reply) -> None:
    """It is nobody's answer, and must not be held against the prompt."""
    with pytest.raises(ModelConnectionError):
        await ask(reply)


async def test_a_server_that_is_not_there_is_a_connection_error() -> None:
    """A wrong port is the set-up's fault."""
    async with FakeOpenAI([says("hi")]) as gone:
        base_url = gone.base_url
    async with open_endpoint(
        base_url, api_key=None, max_concurrency=1, provider_name="fake"
    ) as endpoint:
        with pytest.raises(ModelConnectionError):
            await OpenAICompatibleModel("m", endpoint=endpoint).request(
                QUESTION, None, ModelRequestParameters()
            )


async def test_a_server_that_hangs_is_left_after_the_timeout() -> None:
    """`timeout` is the user's promise that one request cannot hold a run for ever."""
    with pytest.raises(ModelTimeoutError):
        await ask(hangs(), settings={"timeout": 0.2})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"\xff\xfe\x00",
        b"[]",
        b'"text"',
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"tool_calls": 5}}]}',
        b'{"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{}"}}]}}]}',
        b'{"choices": [{"message": {"tool_calls": [{"function": {"name": "a", "arguments": 5}}]}}'
        b"]}",
        b'{"error": {"code": "oops"}}',
    ],
)
async def test_an_answer_without_sense_is_refused_and_quoted(body: bytes) -> None:
    """A run's error must say what came; nothing may be made up from it."""
    with pytest.raises(UnexpectedModelBehavior):
        await ask(answers(body))


async def test_what_an_error_quotes_is_bounded() -> None:
    """An error page of megabytes must not end up in the journal."""
    with pytest.raises(UnexpectedModelBehavior) as garbled:
        await ask(answers("ü" * 100_000))
    with pytest.raises(ModelHTTPError) as refused:
        await ask(answers("ü" * 100_000, 500))
    assert len(str(garbled.value)) < 2_500
    assert len(str(refused.value)) < 2_500


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    """A broken server must not fill the memory."""
    with pytest.raises(UnexpectedModelBehavior, match="longer than"):
        await ask(answers(b" " * (MAX_ANSWER_BYTES + 1)))


@pytest.mark.parametrize("status", [200, 401])
async def test_the_key_is_in_no_error(status: int) -> None:
    """Servers repeat a wrong key in their answers; journals and reports are shared."""
    with pytest.raises((ModelHTTPError, UnexpectedModelBehavior)) as caught:
        await ask(answers(f"invalid key {KEY}", status))
    assert KEY not in f"{caught.value!s} {caught.value!r} {vars(caught.value)}"
    assert "[api key]" in str(caught.value)


async def test_a_placeholder_key_changes_no_answer() -> None:
    """Servers without keys are given `x` or `none`, which are in many words."""
    for key in ("x", "content"):
        async with talking_to(says("A context box."), api_key=key) as (model, _):
            response = await model.request(QUESTION, None, ModelRequestParameters())
            assert response.text == "A context box."


async def test_thinking_is_kept_apart_from_the_answer() -> None:
    """Checks judge what the user would read."""
    response, _ = await ask(completion({"content": "Yes.", "reasoning_content": "Hm, well."}))
    assert response.text == "Yes."
    assert response.thinking == "Hm, well."


async def test_a_conversation_goes_on_where_it_was() -> None:
    """What is encoded once is reused; the server must still see the whole conversation."""
    async with talking_to(calls(("now", {})), says("Noon.")) as (model, server):
        parameters = ModelRequestParameters()
        messages = list(QUESTION)
        messages.append(await model.request(messages, None, parameters))
        messages.append(ModelRequest(parts=[UserPromptPart("And now?")]))
        await model.request(messages, None, parameters)
        roles = [message["role"] for message in server.asked[1].body["messages"]]
        assert roles == ["system", "user", "assistant", "user"]
        await model.request(messages[:1], None, parameters)
        assert len(server.asked[2].body["messages"]) == 2
