"""Budgets at the proxy: what is used up is refused, no answer is longer than what is left."""

import asyncio
from typing import Any

import pytest

from assay.agents.protocol import AgentResult
from tests.fakes.provider import Turn
from tests.fakes.proxied import CHAT, HI, TWO_CALLS, Client, Got, Shop, Told, finished, times


@pytest.mark.parametrize(
    ("budgets", "stop", "asked"),
    [
        ({"max_steps": 2}, "max_steps", 2),
        ({"max_tokens": 300}, "max_tokens", 3),
        ({"max_tool_calls": 3}, "max_tool_calls", 2),
        ({"max_spend_usd": 0.0007}, "max_spend", 2),
    ],
)
async def test_a_spent_budget_refuses_what_comes_after(
    shop: Shop, told: Told, budgets: dict[str, Any], stop: str, asked: int
) -> None:
    """As clients do not try again; the run ended for it, whatever the agent says."""
    told.turns = [Turn(calls=TWO_CALLS, tokens=(100, 20))]
    got: list[Got] = []

    async def does(client: Client) -> AgentResult:
        got.extend([await client.post(**CHAT) for _ in range(6)])
        return finished()

    result = await shop.run(does, **budgets)
    assert (result.stop_reason, len(shop.provider.asked)) == (stop, asked)
    assert [answer.status for answer in got] == [200] * asked + [429] * (6 - asked)
    assert got[-1].headers["x-should-retry"] == "false"
    assert got[-1].json["error"]["code"] == "budget_exceeded"
    assert result.steps == asked


@pytest.mark.parametrize(
    ("path", "body", "field", "least"),
    [
        ("/chat/completions", {"messages": HI}, "max_tokens", 380),
        ("/chat/completions", {"messages": HI, "max_tokens": 50}, "max_tokens", 50),
        ("/chat/completions", {"messages": HI, "max_completion_tokens": 999},
         "max_completion_tokens", 380),
        ("/chat/completions", {"messages": HI, "n": 2}, "max_tokens", 190),
        ("/responses", {"input": "hi"}, "max_output_tokens", 380),
        ("/messages", {"messages": HI, "max_tokens": 9999}, "max_tokens", 380),
    ],
)  # fmt: skip
async def test_the_output_limit_is_what_is_left(
    shop: Shop, path: str, body: dict[str, Any], field: str, least: int
) -> None:
    """A last answer cannot overrun the budget by more than its input."""

    async def does(client: Client) -> AgentResult:
        for _ in range(2):
            await client.post(path, **body)
        return finished()

    await shop.run(does, max_tokens=500)
    assert shop.provider.asked[1].body[field] == least


async def test_requests_side_by_side_stay_within_the_budget(shop: Shop, told: Told) -> None:
    """An agent that fans out must not get as many times the budget as it has arms."""
    told.turns = [Turn(text="a", tokens=(10, 90))]

    async def does(client: Client) -> AgentResult:
        await asyncio.gather(*(client.post(**CHAT, max_tokens=100) for _ in range(30)))
        return finished()

    by_tokens = await shop.run(does, max_tokens=1000)
    assert by_tokens.stop_reason == "max_tokens"
    assert by_tokens.total_tokens == shop.provider.counted.requests * 100 <= 1100
    by_steps = await shop.run(does, max_steps=4)
    assert (by_steps.stop_reason, by_steps.steps) == ("max_steps", 4)


async def test_an_agent_that_hammers_is_refused_without_being_read(shop: Shop) -> None:
    """Thousands of refusals must not cost the other runs their time, nor the provider anything."""

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        answers = [await client.post(**CHAT, padding="x" * 9000) for _ in range(300)]
        assert {answer.status for answer in answers} == {429}
        return finished()

    result = await shop.run(does, max_steps=1)
    assert (result.stop_reason, len(shop.provider.asked)) == ("max_steps", 1)


async def test_a_price_that_is_not_known_stops_a_run_with_a_spend_limit(shop: Shop) -> None:
    """A limit that cannot be checked allows nothing; without a limit the spend is unknown."""
    limited = await shop.run(times(1, model="nobody-knows"), max_spend_usd=1.0)
    assert (limited.stop_reason, shop.provider.asked) == ("max_spend", [])
    free = await shop.run(times(1, model="nobody-knows"))
    assert (free.total_tokens, free.spend_usd) == (120, None)


async def test_too_little_for_what_the_api_takes_is_spent(shop: Shop, told: Told) -> None:
    """A limit below the API's own least would be the provider's 400, and the agent's fault."""
    told.turns = [Turn(text="a", tokens=(400, 90))]

    async def does(client: Client) -> AgentResult:
        assert (await client.post("/responses", input="hi")).status == 200
        assert (await client.post("/responses", input="hi")).status == 429
        return finished()

    result = await shop.run(does, max_tokens=500)
    assert (result.stop_reason, result.steps) == ("max_tokens", 1)


async def test_thinking_leaves_room_for_the_answer(shop: Shop) -> None:
    """Anthropic refuses a budget for thinking that is not below the limit."""
    thinks = {"type": "enabled", "budget_tokens": 8000}

    async def does(client: Client) -> AgentResult:
        await client.post("/messages", messages=HI, max_tokens=9000, thinking=thinks)
        return finished()

    await shop.run(does, max_tokens=3000)
    body = shop.provider.asked[0].body
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (3000, 2999)
