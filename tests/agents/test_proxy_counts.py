"""What the proxy counts: the same as the provider, whatever the agent says."""

import json

import pytest

from assay.agents.protocol import AgentResult
from assay.agents.proxy.openai_chat import OpenAIChat
from tests.fakes.provider import Turn
from tests.fakes.proxied import APIS, CHAT, TWO_CALLS, Client, Shop, Told, finished, times


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_what_is_stored_is_what_the_provider_counted(
    shop: Shop, told: Told, api: str, stream: bool
) -> None:
    """Tokens, cached and reasoning ones, parallel calls: of every API, streamed or not."""
    path, body = APIS[api]
    is_anthropic = api == "messages"
    if is_anthropic:
        shop.keys["proxy"] = {"provider": "anthropic", "base_url": shop.provider.origin}
    told.turns = [
        Turn(calls=TWO_CALLS, tokens=(900, 80), cached=300, reasoning=50),
        Turn(calls=(("kb_read", {}),), tokens=(1000, 30), cached=900, reasoning=10),
        Turn(text="Two days.", tokens=(1200, 40)),
    ]

    async def does(client: Client) -> AgentResult:
        for _ in range(3):
            assert (await client.post(path, stream=stream, **body)).status == 200
        return finished(total_tokens=7, steps=1)

    result = await shop.run(does)
    counted = shop.provider.counted
    assert (result.steps, result.attempts) == (counted.requests, 1) == (3, 1)
    assert result.input_tokens == counted.input_tokens == 3100
    assert result.output_tokens == counted.output_tokens == 150
    assert result.total_tokens == 3250
    assert result.cached_tokens == counted.cached_tokens == 1200
    assert result.reasoning_tokens == (None if is_anthropic else counted.reasoning_tokens)
    assert (result.tool_calls, result.tool_calls_by_tool) == (3, counted.by_tool)
    assert [(call.tool, json.loads(call.arguments)) for call in result.calls[:2]] == [*TWO_CALLS]
    assert result.spend_usd == pytest.approx((1900 * 1.0 + 1200 * 0.1 + 150 * 10.0) / 1e6)
    assert result.stop_reason == "finish"
    (note,) = result.notes
    assert note == (
        "the agent says total_tokens 7, steps 1; the proxy has counted 3250, 3"
    )  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_usage_makes_tokens_unknown(
    shop: Shop, told: Told, stream: bool
) -> None:
    """Never 0: the gates then stay undecided. Requests and calls are known all the same."""
    told.turns = [Turn(text="a"), Turn(calls=TWO_CALLS, tokens=None), Turn(text="b")]
    result = await shop.run(times(3, stream=stream))
    assert (result.total_tokens, result.input_tokens, result.spend_usd) == (None, None, None)
    assert (result.steps, result.tool_calls) == (3, 2)


async def test_a_run_without_a_request_is_unmeasured(shop: Shop) -> None:
    """An agent that goes past the proxy would be free; what it says of itself is no evidence."""

    async def does(client: Client) -> AgentResult:
        async with client.session.get(f"{client.base_url}/models") as answer:
            assert answer.status == 200
        return finished(total_tokens=0, steps=0, tool_calls=0, spend_usd=0.0)

    result = await shop.run(does)
    figures = (result.total_tokens, result.input_tokens, result.steps, result.tool_calls)
    assert figures == (None,) * 4
    assert (result.spend_usd, result.output, result.stop_reason) == (None, "done", "finish")
    assert result.error == "unmeasured: the proxy has seen no request of this run"
    assert result.notes == (result.error,)


async def test_what_is_no_answer_of_a_model_is_sent_on_and_not_counted(shop: Shop) -> None:
    """Embeddings and models count for nothing; a generation that nobody can read is unknown."""

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        async with client.session.get(f"{client.base_url}/models") as answer:
            assert "Set-Cookie" not in answer.headers
        await client.post("/embeddings", input="x")
        return finished()

    result = await shop.run(does)
    assert (result.steps, result.total_tokens) == (1, 120)

    async def completes(client: Client) -> AgentResult:
        await client.post("/completions", prompt="x")
        return finished()

    result = await shop.run(completes)
    assert (result.steps, result.total_tokens) == (1, None)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_agent_that_does_not_wait_for_the_end_is_counted(
    shop: Shop, told: Told, stream: bool
) -> None:
    """A client that hangs up has cost what the provider answered."""

    async def does(client: Client) -> AgentResult:
        url = f"{client.base_url}/chat/completions"
        body = {"model": "m", "stream": stream, **CHAT}
        answer = await client.session.post(url, json=body)
        answer.close()
        return finished()

    result = await shop.run(does)
    assert (result.steps, result.total_tokens) == (1, 120)


async def test_a_request_that_is_open_at_the_end_is_unknown(shop: Shop, told: Told) -> None:
    """A provider that hangs ends with the run, and leaves nothing behind."""
    told.turns = [Turn(text="a"), Turn(fault="hang")]

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        with pytest.raises(TimeoutError):
            async with client.order.watch.limit(0.3):
                await client.post(**CHAT)
        return AgentResult(output=None, stop_reason="max_seconds", latency_s=0.3)

    async with shop.opened(does) as bench:
        result = await bench.run()
        assert (result.stop_reason, result.steps, result.total_tokens) == ("max_seconds", 2, None)
        await shop.provider.is_free.wait()


async def test_parallel_calls_that_share_an_index_are_told_apart() -> None:
    """As some servers that only resemble OpenAI stream them."""
    assembly = OpenAIChat().assembly()
    for id_, name in (("a", "kb"), ("b", "mail")):
        call = {"index": 0, "id": id_, "function": {"name": name, "arguments": "{}"}}
        assembly.take({"choices": [{"delta": {"tool_calls": [call]}}]})
    assert OpenAIChat().read(assembly.message).calls == (("kb", "{}"), ("mail", "{}"))
