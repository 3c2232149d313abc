"""A provider that fails at the proxy: asked again, in its own time, and never put on the prompt."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from assay.agents.protocol import AgentResult
from assay.agents.proxy.openai_chat import OpenAIChat
from assay.backoff import Backoff
from assay.models import retries
from assay.models.limiter import Limits, limiter_of
from tests.fakes.provider import Turn
from tests.fakes.proxied import APIS, CHAT, Client, Got, Shop, Told, finished, times


@pytest.mark.parametrize("fault", ["reset", 503, 429])
async def test_what_may_pass_is_asked_again_by_the_proxy_alone(
    shop: Shop, told: Told, fault: Any
) -> None:
    """One layer of retries: the agent's client sees one good answer."""
    bad = Turn(fault="reset") if fault == "reset" else Turn(status=fault)
    told.turns = [bad, bad, Turn(text="a")]
    result = await shop.run(times(1), attempts=3)
    assert (result.stop_reason, result.attempts, result.steps) == ("finish", 3, 1)
    assert (result.total_tokens, len(shop.provider.asked)) == (120, 3)


@pytest.mark.parametrize("said", ["finish", "agent_error"])
async def test_what_remains_is_the_infrastructures(shop: Shop, told: Told, said: str) -> None:
    """Never the prompt's, whether the agent crashes of it or makes an excuse."""
    told.turns = [Turn(text="a"), Turn(status=503, headers={"Retry-After": "0"})]
    got: list[Got] = []

    async def does(client: Client) -> AgentResult:
        got.extend([await client.post(**CHAT) for _ in range(2)])
        return AgentResult(output=None, stop_reason=said, latency_s=0.1, error="I crashed")

    result = await shop.run(does, attempts=2)
    assert (result.stop_reason, len(shop.provider.asked)) == ("infra_error", 3)
    assert result.attempts == 2
    assert result.error is not None
    assert result.error.startswith("the provider: HTTP 503")
    assert result.error.endswith("I crashed")
    assert (got[1].status, got[1].headers["x-should-retry"]) == (503, "false")


async def test_a_bad_request_is_the_agents_own(shop: Shop, told: Told) -> None:
    """The provider's 400 is passed on as it is, and not tried again."""
    told.turns = [Turn(status=400, body=b'{"error": {"message": "no such tool"}}')]

    async def does(client: Client) -> AgentResult:
        assert (await client.post(**CHAT)).json == {"error": {"message": "no such tool"}}
        return AgentResult(output=None, stop_reason="agent_error", latency_s=0.1)

    result = await shop.run(does, attempts=3)
    assert (result.stop_reason, len(shop.provider.asked)) == ("agent_error", 1)


async def test_a_stream_that_breaks_off_is_unknown_and_the_providers(
    shop: Shop, told: Told
) -> None:
    """Half an answer cannot be asked for again, and nobody knows what it cost."""
    told.turns = [Turn(text="one two three four", fault="cut")]

    async def does(client: Client) -> AgentResult:
        with pytest.raises(aiohttp.ClientError):
            await client.post(**CHAT, stream=True)
        return AgentResult(output=None, stop_reason="agent_error", latency_s=0.1)

    result = await shop.run(does)
    assert (result.stop_reason, result.total_tokens, result.steps) == ("infra_error", None, 1)


@pytest.mark.parametrize("api", APIS)
async def test_a_connection_lost_after_the_end_of_a_stream_is_no_loss(
    shop: Shop, told: Told, api: str
) -> None:
    """Nothing is missing, so that no client may fail of it: that would be put on the prompt."""
    path, body = APIS[api]
    if api == "messages":
        shop.keys["proxy"] = {"provider": "anthropic", "base_url": shop.provider.origin}
    told.turns = [Turn(text="one two three four", fault="late")]

    async def does(client: Client) -> AgentResult:
        assert (await client.post(path, stream=True, **body)).status == 200
        return finished()

    result = await shop.run(does)
    assert (result.stop_reason, result.total_tokens, result.steps) == ("finish", 120, 1)


async def test_what_is_no_generation_is_no_failure_of_the_run(shop: Shop) -> None:
    """An agent that asks whether a model is there, and goes on without it."""

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        async with client.session.get(f"{client.base_url}/models/none") as answer:
            assert answer.status == 404
        return finished()

    result = await shop.run(does)
    assert (result.stop_reason, result.total_tokens) == ("finish", 120)


async def test_a_cancelled_run_frees_everything(shop: Shop, told: Told) -> None:
    """Ctrl-C: no request goes on, and the address is nobody's."""
    told.turns = [Turn(fault="hang")]
    urls: list[str] = []

    async def does(client: Client) -> AgentResult:
        urls.append(f"{client.base_url}/chat/completions")
        await client.post(**CHAT)
        return finished()

    async with shop.opened(does) as bench:
        run = asyncio.create_task(bench.run())
        await shop.provider.hangs.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await shop.provider.is_free.wait()
        async with aiohttp.ClientSession() as session:
            answer = await session.post(urls[0], json=CHAT)
            assert answer.status == 404


async def test_waiting_for_the_provider_is_not_the_runs_time(
    shop: Shop, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate limit must not look like a slow prompt, nor like a spent time limit."""
    slow = Backoff(jitter=lambda: 0.0, patience_s=60)
    monkeypatch.setitem(retries.with_retries.__kwdefaults__, "backoff", slow)
    told.turns = [Turn(status=429, headers={"Retry-After": "1"}), Turn(text="a")]
    worked: list[float] = []

    async def does(client: Client) -> AgentResult:
        async with client.order.watch.limit(0.9):
            await client.post(**CHAT)
        worked.append(client.order.watch.elapsed_s())
        return finished()

    result = await shop.run(does, attempts=2)
    assert (result.stop_reason, result.total_tokens) == ("finish", 120)
    assert worked[0] < 0.9


async def test_all_who_ask_a_model_share_its_limits(shop: Shop) -> None:
    """The built-in loop, judges and agents behind the proxy: one limiter."""
    destination = urlsplit(shop.provider.origin).netloc, "m"
    limiter = limiter_of(destination, Limits(max_concurrency=1))
    assert not limiter.answered_within(60)
    await shop.run(times(1))
    assert limiter.answered_within(60)


async def test_a_provider_that_keeps_silent_is_asked_again(shop: Shop, told: Told) -> None:
    """One request in fifty that is never answered must not cost the run."""
    shop.request_timeout_s = 0.2
    told.turns = [Turn(fault="hang"), Turn(text="a")]
    result = await shop.run(times(1), attempts=2)
    assert (result.stop_reason, result.attempts, result.total_tokens) == ("finish", 2, 120)


async def test_a_bug_of_ours_is_loud_and_not_the_prompts(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traceback is what we need; the run is the infrastructure's."""
    monkeypatch.setattr(OpenAIChat, "wanted_output", None)

    async def does(client: Client) -> AgentResult:
        got = await client.post(**CHAT)
        assert (got.status, got.headers["x-should-retry"]) == (500, "false")
        return AgentResult(output=None, stop_reason="agent_error", latency_s=0.1)

    result = await shop.run(does)
    assert result.stop_reason == "infra_error"
    (record,) = caplog.records
    assert record.exc_info is not None
