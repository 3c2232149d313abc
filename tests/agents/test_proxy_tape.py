"""One run behind the proxy, recorded and answered by its record: in this process, no sleep."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import aiohttp
import orjson
import pytest

from assay.agents.protocol import AgentResult
from assay.records import RunKey
from assay.store.journal import Journal
from assay.store.record import RecordedRun
from assay.store.replay import RecordedTape
from assay.store.tape import Exchange, Tape
from tests.fakes.provider import Provider, Turn
from tests.fakes.proxied import CHAT, HI, KEY, Client, Does, Got, Shop, finished
from tests.fakes.workshop import PROMPT, Workshop

RUN = RunKey(
    evaluation_id="e", prompt_id=PROMPT.prompt_id, golden_task_id="t", repeat=1, seed=0
)  # fmt: skip
BINARY = b"\xff\xfe not text"


class Varied:
    """A provider that never says the same twice, so that only a record can repeat it."""

    def __init__(self) -> None:
        self.said = 0
        self.turns: list[Turn] = []

    def __call__(self, body: Any) -> Turn:
        self.said += 1
        if self.turns:
            return self.turns.pop(0)
        calls = (("kb.search", {"n": self.said}), ("kb_read", {})) if self.said % 2 else ()
        return Turn(text=f"answer {self.said}", calls=calls, tokens=(100 + 7 * self.said, 20))


@pytest.fixture
def varied() -> Varied:
    return Varied()


@pytest.fixture
async def shop(workshop: Workshop, varied: Varied) -> AsyncIterator[Shop]:
    async with Provider(varied) as provider:
        yield Shop(workshop, provider)


class Recorded:
    """One run's tape, as a record has it."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._tapes: list[Tape] = []
        self.interrupted: list[Exchange] = []
        """What an attempt that was killed had asked."""
        self.result: AgentResult | None = None

    async def run(self, does: Does, **rest: Any) -> AgentResult:
        self.result = await self._shop.run(does, tape=self._new_tape, **rest)
        return self.result

    async def replay(self, does: Does, **rest: Any) -> AgentResult:
        asked = len(self._shop.provider.asked)
        result = await self._shop.run(does, replays=True, tape=self._tape_of_record, **rest)
        assert len(self._shop.provider.asked) == asked
        return result

    def _new_tape(self, journal: Journal) -> Tape:
        self._tapes.append(Tape(RUN.run_id, self.interrupted, journal, keeps_requests=True))
        return self._tapes[-1]

    def _tape_of_record(self, journal: Journal) -> Tape:
        return RecordedTape(RUN, self.kept, journal)

    @property
    def exchanges(self) -> list[Exchange]:
        return self._tapes[-1].exchanges

    @property
    def kept(self) -> RecordedRun:
        assert self.result is not None
        lines = [each.as_line() for each in self.exchanges]
        return RecordedRun(
            run_id=RUN.run_id,
            prompt_id=RUN.prompt_id,
            golden_task_id=RUN.golden_task_id,
            repeat=RUN.repeat,
            latency_s=1.0,
            stop_reason=self.result.stop_reason,
            error=self.result.error,
            exchanges=orjson.loads(orjson.dumps(lines)),
        )

    @property
    def prints(self) -> list[str]:
        """What was asked, in no order."""
        requests = [dict(each.request or {}) for each in self.exchanges]
        for request in requests:
            request.pop("opening", None)
        return sorted(json.dumps(request) for request in requests)


@pytest.fixture
def record(shop: Shop) -> Recorded:
    return Recorded(shop)


def figures(result: AgentResult) -> dict[str, Any]:
    """All of the result; calls and sums of dollars as if there were no order."""
    spend = None if result.spend_usd is None else round(result.spend_usd, 12)
    calls = sorted(call.arguments for call in result.calls)
    return asdict(result) | {"calls": calls, "spend_usd": spend}


def anthropic(shop: Shop) -> None:
    shop.keys["proxy"] = {"provider": "anthropic", "base_url": shop.provider.origin}


APIS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/chat/completions", CHAT),
    "responses": ("/responses", {"input": HI, "instructions": "Be brief."}),
    "messages": ("/v1/messages", {"messages": HI, "system": "Be brief.", "max_tokens": 500}),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_a_record_answers_every_api_byte_for_byte(
    shop: Shop, record: Recorded, api: str, stream: bool
) -> None:
    """Streams with their events, less what the agent did not ask for: twice the same."""
    path, body = APIS[api]
    if api == "messages":
        anthropic(shop)
    got: list[Got] = []

    async def does(client: Client) -> AgentResult:
        got.extend([await client.post(path, stream=stream, **body) for _ in range(3)])
        return finished()

    first = await record.run(does)
    again = await record.replay(does)
    assert figures(again) == figures(first)
    assert (first.steps, len(shop.provider.asked)) == (3, 3)
    assert [each.content for each in got[3:]] == [each.content for each in got[:3]]
    assert len({each.content for each in got}) == 3
    assert KEY not in repr(record.kept)


async def test_the_order_of_parallel_requests_does_not_matter(shop: Shop, record: Recorded) -> None:
    """They have no numbers: each gets what it was answered, equal ones in their order."""

    def asking(numbers: list[int]) -> Does:
        async def does(client: Client) -> AgentResult:
            said = [[{"role": "user", "content": f"page {n}"}] for n in numbers]
            await asyncio.gather(*(client.post(messages=each) for each in said))
            return finished()

        return does

    numbers = [1, 2, 3, 4, 4, 5]
    first = await record.run(asking(numbers))
    again = await record.replay(asking(numbers[::-1]))
    assert figures(again) == figures(first)
    assert first.steps == len(numbers)


@pytest.mark.parametrize("budgets", [{"max_tokens": 2000}, {"max_spend_usd": 0.02}])
async def test_a_clamped_limit_is_no_other_request(
    shop: Shop, record: Recorded, budgets: dict[str, Any]
) -> None:
    """What is left of a budget hangs on what came before, side by side on chance."""

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        await asyncio.gather(
            *(client.post(**CHAT, stream=True, max_tokens=9000 + n) for n in (1, 2))
        )
        return finished()

    free = await record.run(does)
    as_asked = record.prints
    first = await record.run(does, **budgets)
    assert record.prints == as_asked
    sent = [asked.body.get("max_tokens") for asked in shop.provider.asked]
    assert sent[3:] != sent[:3]
    assert (free.stop_reason, first.steps) == ("finish", 3)
    assert figures(await record.replay(does, **budgets)) == figures(first)


async def test_the_agents_own_prompt_does_not_matter_where_ours_is_swapped_in(
    shop: Shop, record: Recorded
) -> None:
    """The request is the one that the model gets to see."""
    shop.keys["inject_prompt"] = True

    def with_own(prompt: str) -> Does:
        async def does(client: Client) -> AgentResult:
            await client.post(messages=[{"role": "system", "content": prompt}, *HI])
            return finished()

        return does

    first = await record.run(with_own("It is Monday."))
    assert figures(await record.replay(with_own("It is Tuesday."))) == figures(first)


async def test_a_spent_budget_stops_a_replay_where_it_did(record: Recorded) -> None:
    """Refusals are ours, and in no record."""

    async def does(client: Client) -> AgentResult:
        statuses = [(await client.post(**CHAT)).status for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        return finished()

    first = await record.run(does, max_steps=2)
    assert first.stop_reason == "max_steps"
    assert figures(await record.replay(does, max_steps=2)) == figures(first)


async def test_what_the_provider_refused_and_what_is_no_generation_is_replayed_too(
    shop: Shop, record: Recorded, varied: Varied
) -> None:
    """An agent that asks which models there are, and shortens what was too long."""
    varied.turns = [
        Turn(status=400, body=b'{"error": {"message": "too long"}}'),
        Turn(body=BINARY, headers={"Content-Type": "application/octet-stream"}),
    ]
    got: list[Any] = []

    async def does(client: Client) -> AgentResult:
        async with client.session.get(f"{client.base_url}/models") as answer:
            got.append(await answer.read())
        got.extend([(await client.post(**CHAT, n=each)).content for each in (2, 1)])
        got.append((await client.post("/embeddings", input="hi")).content)
        return finished()

    first = await record.run(does)
    assert (first.stop_reason, first.steps, got[2]) == ("finish", 1, BINARY)
    assert figures(await record.replay(does)) == figures(first)
    assert got[4:] == got[:4]


@pytest.mark.parametrize(
    ("fault", "stream", "steps", "tokens"), [("cut", True, 2, None), ("reset", False, 1, 134)]
)
async def test_what_was_lost_is_lost_again(
    record: Recorded, varied: Varied, fault: Any, stream: bool, steps: int, tokens: int | None
) -> None:
    """A stream that broke off has used nobody knows what; who was not reached has used nothing."""
    varied.turns = [Turn(text="a b c", fault=fault)]

    async def does(client: Client) -> AgentResult:
        with suppress(aiohttp.ClientError):
            await client.post(**CHAT, stream=stream)
        await client.post(messages=[*HI, *HI])
        return finished()

    first = await record.run(does)
    assert (first.stop_reason, first.steps, first.total_tokens) == ("finish", steps, tokens)
    assert figures(await record.replay(does)) == figures(first)


async def test_a_provider_that_failed_fails_again(record: Recorded, varied: Varied) -> None:
    """In the same words, and for the same reason the infrastructure's doing."""
    varied.turns = [Turn(fault="reset"), Turn(status=503)]

    async def does(client: Client) -> AgentResult:
        statuses = [(await client.post(**CHAT)).status for _ in range(2)]
        assert statuses == [502, 503]
        return AgentResult(output=None, stop_reason="agent_error", latency_s=0.1)

    first = await record.run(does)
    assert first.stop_reason == "infra_error"
    assert figures(await record.replay(does)) == figures(first)


async def test_a_miss_is_told_so_that_no_client_tries_again_and_ends_the_run(
    record: Recorded,
) -> None:
    """Whatever the agent makes of it: the run says nothing about the prompt."""
    got: list[Got] = []

    def asking(*said: str) -> Does:
        async def does(client: Client) -> AgentResult:
            tools = [[*HI, {"role": "tool", "content": each}] for each in said]
            got.extend([await client.post(messages=each) for each in tools])
            return finished()

        return does

    await record.run(asking("a", "b"))
    other = await record.replay(asking("a", "c"))
    assert (got[-1].status, got[-1].headers["x-should-retry"]) == (400, "false")
    assert got[-1].json["error"]["code"] == "not_recorded"
    assert (other.stop_reason, other.output) == ("infra_error", None)
    assert other.error == "not the recorded request (step 2 of the run): the tool-message differs"
    more = await record.replay(asking("a", "b", "b"))
    assert (more.stop_reason, more.steps) == ("infra_error", 2)
    assert more.error == f"not in the record: step 3 of {PROMPT.prompt_id} on t, repeat 1"


async def test_a_run_that_is_not_in_the_record_is_not_made(shop: Shop) -> None:
    """The agent's own tools would be called for nothing."""

    async def does(_: Client) -> AgentResult:
        raise AssertionError

    result = await shop.run(
        does, replays=True, tape=lambda journal: RecordedTape(RUN, None, journal)
    )
    assert result.stop_reason == "infra_error"
    assert (result.error or "").startswith("not in the record: ")


async def test_a_run_that_was_cut_off_is_recorded_from_its_new_start(record: Recorded) -> None:
    """It is made anew: what the killed attempt asked is no part of it."""

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        return finished()

    await record.run(does)
    record.interrupted = list(record.exchanges)
    first = await record.run(does)
    assert len(record.exchanges) == 1
    assert figures(await record.replay(does)) == figures(first)


async def test_a_run_that_was_out_of_time_is_again(record: Recorded) -> None:
    """The clock is the recorded one; nobody waits for it."""

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        return AgentResult(output=None, stop_reason="max_seconds", latency_s=30.0)

    async def swift(client: Client) -> AgentResult:
        await client.post(**CHAT)
        return finished()

    first = await record.run(does)
    again = await record.replay(swift)
    assert (again.stop_reason, again.output, again.steps) == ("max_seconds", None, 1)
    assert again.total_tokens == first.total_tokens


HOSTILE: list[dict[str, Any]] = [
    {"messages": [{"role": "\ud800 x\n[red]" * 99, "content": "\ud800"}], "seed": 10**40},
    {"messages": [7, None, "x", {"role": {}}], "tools": 3},
    {"messages": [{"role": "user", "content": "x"}] * 6000},
    {"messages": HI} | {f"key{n}": n for n in range(6000)},
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_strange_requests_are_kept_and_found_again(
    record: Recorded, body: dict[str, Any]
) -> None:
    """Half characters, numbers without end, thousands of messages: bounded, and on."""

    async def does(client: Client) -> AgentResult:
        assert (await client.post(**body)).status == 200
        return finished()

    first = await record.run(does)
    assert figures(await record.replay(does)) == figures(first)
    assert all(len(each) < 600_000 for each in record.prints)
