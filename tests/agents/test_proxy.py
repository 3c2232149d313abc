"""The recording proxy: what it counts is what the provider has counted, whatever the agent says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from assay.agents.protocol import AgentResult
from assay.agents.proxy.environment import agents_environment
from assay.agents.proxy.openai_chat import OpenAIChat
from assay.backoff import Backoff
from assay.models import retries
from assay.models.limiter import Limits, limiter_of
from assay.prompts import system_prompt
from assay.proxy_section import ProxySection
from tests.fakes.provider import Provider, Turn
from tests.fakes.proxied import KEY, Client, Got, Shop, finished
from tests.fakes.workshop import PROMPT, Workshop

HI = [{"role": "user", "content": "hi"}]
CHAT = {"messages": HI}
TWO_CALLS = (("kb.search", {"q": "a b"}), ("kb_read", {"id": 7, "deep": {"x": [1, 2]}}))
APIS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/chat/completions", {"messages": HI}),
    "responses": ("/responses", {"input": HI}),
    "messages": ("/v1/messages", {"messages": HI, "max_tokens": 500}),
}
TURNS = Callable[[Any], Turn]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their waits."""
    swift = Backoff(jitter=lambda: 0.0)
    monkeypatch.setitem(retries.with_retries.__kwdefaults__, "backoff", swift)


class Told:
    """What the provider is to answer: the turns in order, the last for ever."""

    def __init__(self) -> None:
        self.turns = [Turn(text="hello")]
        self._at = 0

    def again(self) -> None:
        self._at = 0

    def __call__(self, body: Any) -> Turn:
        self._at += 1
        return self.turns[min(self._at, len(self.turns)) - 1]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def shop(workshop: Workshop, told: Told) -> AsyncIterator[Shop]:
    async with Provider(told) as provider:
        yield Shop(workshop, provider)


def times(n: int, **body: Any) -> Callable[[Client], Any]:
    """An agent that makes the same request again and again, whatever is answered."""

    async def does(client: Client) -> AgentResult:
        for _ in range(n):
            await client.post(**(CHAT | body))
        return finished()

    return does


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


async def test_a_stream_arrives_byte_for_byte(shop: Shop, told: Told) -> None:
    """A client that asked for its usage gets every byte; another one not the chunk we asked for."""
    told.turns = [Turn(text="two days", calls=TWO_CALLS)]
    got: list[Got] = []

    async def does(client: Client) -> AgentResult:
        asks = {"include_usage": True}
        got.append(await client.post(**CHAT, stream=True, stream_options=asks))
        got.append(await client.post(**CHAT, stream=True))
        return finished()

    await shop.run(does)
    async with aiohttp.ClientSession() as session:
        url = f"{shop.provider.origin}/v1/chat/completions"
        body = shop.provider.asked[0].body
        async with session.post(url, json=body) as answer:
            assert await answer.read() == got[0].content
        async with session.post(url, json=body | {"stream_options": {}}) as answer:
            assert await answer.read() == got[1].content
    assert shop.provider.asked[1].body["stream_options"] == {"include_usage": True}


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


async def test_the_real_key_is_put_in_and_never_shown(shop: Shop, told: Told) -> None:
    """The agent's own authorization is not sent on; an error that quotes the key is washed."""
    said = json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()
    told.turns = [Turn(text="a"), Turn(status=401, body=said, headers={"X-Key": KEY})]
    got: list[Got] = []

    async def does(client: Client) -> AgentResult:
        mine = {"Authorization": "Bearer mine", "x-api-key": "mine", "Cookie": "a=b", "X-Team": "t"}
        got.extend([await client.post(headers=mine, **CHAT) for _ in range(2)])
        return finished()

    result = await shop.run(does)
    headers = shop.provider.asked[0].headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["X-Team"] == "t"
    assert not {"x-api-key", "Cookie"} & set(headers)
    assert KEY not in repr((result, got, result.error))
    assert (got[1].status, result.stop_reason) == (401, "infra_error")


async def test_anthropic_gets_its_key_in_its_own_header(shop: Shop) -> None:
    """And a base address that ends in /v1 is the same as one that does not."""
    shop.keys["proxy"] = {"provider": "anthropic", "base_url": f"{shop.provider.origin}/v1"}

    async def does(client: Client) -> AgentResult:
        await client.post("/v1/messages", messages=HI, max_tokens=9)
        return finished()

    await shop.run(does)
    (asked,) = shop.provider.asked
    assert (asked.path, asked.headers["x-api-key"]) == ("/v1/messages", KEY)
    assert "Authorization" not in asked.headers


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


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        ("/chat/completions", {"messages": [{"role": "system", "content": "old"}, *HI]},
         lambda body: body["messages"][0]["content"]),
        ("/chat/completions", {"messages": HI}, lambda body: body["messages"][0]["content"]),
        ("/responses", {"input": "hi", "instructions": "old"}, lambda body: body["instructions"]),
        ("/responses", {"input": "hi"}, lambda body: body["instructions"]),
        ("/responses", {"input": [{"role": "developer", "content": "old"}, *HI]},
         lambda body: body["input"][0]["content"]),
        ("/messages", {"messages": HI, "max_tokens": 9, "system": "old"},
         lambda body: body["system"]),
        ("/messages", {"messages": HI, "max_tokens": 9}, lambda body: body["system"]),
    ],
)  # fmt: skip
async def test_the_prompt_under_test_is_swapped_in(
    shop: Shop, path: str, body: dict[str, Any], at: Callable[[Any], str]
) -> None:
    """Byte for byte what production sends, and nothing of the agent's own is left."""
    shop.keys["inject_prompt"] = True

    async def does(client: Client) -> AgentResult:
        await client.post(path, **body)
        return finished()

    await shop.run(does)
    (asked,) = shop.provider.asked
    assert at(asked.body) == system_prompt(PROMPT)
    assert "old" not in json.dumps(asked.body)
    assert json.dumps(asked.body).count('"hi"') == 1


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


async def test_who_has_not_the_address_gets_nothing(shop: Shop, told: Told) -> None:
    """A web page that guesses the port has neither the token nor the host's name right."""
    statuses: list[int] = []

    async def does(client: Client) -> AgentResult:
        origin = client.base_url.partition("/runs/")[0]
        for url, headers in (
            (f"{origin}/runs/none/v1/chat/completions", {}),
            (f"{client.base_url}/chat/completions", {"Host": "evil.example"}),
            (f"{origin}/v1/chat/completions", {}),
            (f"{client.base_url}/..%2f..%2fadmin", {}),
        ):
            async with client.session.post(url, json=CHAT, headers=headers) as answer:
                statuses.append(answer.status)
        return finished()

    await shop.run(does)
    assert statuses == [404, 421, 404, 400]
    assert shop.provider.asked == []


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
async def test_an_endless_answer_is_cut(
    shop: Shop, told: Told, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """And an endless request refused: neither may fill the memory."""
    monkeypatch.setattr("assay.agents.proxy.exchange.MAX_ANSWER_BYTES", 100_000)
    monkeypatch.setattr("assay.agents.proxy.server.MAX_REQUEST_BYTES", 100_000)
    kind = "text/event-stream" if stream else "application/json"
    told.turns = [Turn(body=b"data: x\n\n" * 50_000, headers={"Content-Type": kind})]

    async def does(client: Client) -> AgentResult:
        try:
            answer = await client.post(**CHAT, stream=stream)
            assert answer.status == 502
        except aiohttp.ClientError:
            assert stream
        too_long = await client.post(**CHAT, padding="x" * 100_001)
        assert too_long.status == 413
        return finished()

    result = await shop.run(does)
    assert (result.steps, result.total_tokens) == (1, None)


async def test_a_price_that_is_not_known_stops_a_run_with_a_spend_limit(shop: Shop) -> None:
    """A limit that cannot be checked allows nothing; without a limit the spend is unknown."""
    limited = await shop.run(times(1, model="nobody-knows"), max_spend_usd=1.0)
    assert (limited.stop_reason, shop.provider.asked) == ("max_spend", [])
    free = await shop.run(times(1, model="nobody-knows"))
    assert (free.total_tokens, free.spend_usd) == (120, None)


async def test_what_is_no_generation_is_no_failure_of_the_run(shop: Shop) -> None:
    """An agent that asks whether a model is there, and goes on without it."""

    async def does(client: Client) -> AgentResult:
        await client.post(**CHAT)
        async with client.session.get(f"{client.base_url}/models/none") as answer:
            assert answer.status == 404
        return finished()

    result = await shop.run(does)
    assert (result.stop_reason, result.total_tokens) == ("finish", 120)


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


async def test_rubbish_from_a_provider_breaks_nothing(shop: Shop, told: Told) -> None:
    """Shapes that nobody expects, half characters, names without end: unknown, and on."""
    strange = [
        b"", b"[]", b"{", b'{"choices": 7, "usage": [1]}', b'{"usage": {"prompt_tokens": -1}}',
        b'{"choices": [{"message": {"tool_calls": [{"function": {"name": "\\ud800",'
        b' "arguments": {}}}, 3]}}], "usage": {"prompt_tokens": true, "completion_tokens": 1e9}}',
    ]  # fmt: skip
    for kind in ("application/json", "text/event-stream"):
        head, tail = (b"data: ", b"\n\n") if "event" in kind else (b"", b"")
        told.turns = [
            Turn(body=head + each + tail, headers={"Content-Type": kind}) for each in strange
        ]
        told.again()
        result = await shop.run(times(len(strange)))
        assert (result.steps, result.total_tokens) == (len(strange), None)
        assert all(call.tool.encode() is not None for call in result.calls)


async def test_parallel_calls_that_share_an_index_are_told_apart() -> None:
    """As some servers that only resemble OpenAI stream them."""
    assembly = OpenAIChat().assembly()
    for id_, name in (("a", "kb"), ("b", "mail")):
        call = {"index": 0, "id": id_, "function": {"name": name, "arguments": "{}"}}
        assembly.take({"choices": [{"delta": {"tool_calls": [call]}}]})
    assert OpenAIChat().read(assembly.message).calls == (("kb", "{}"), ("mail", "{}"))


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


@pytest.mark.parametrize("key", ["x", KEY])
def test_the_agents_environment_is_ours_without_the_key(key: str) -> None:
    """Under any name; a placeholder such as `x` is part of many a value that has to stay."""
    section = ProxySection(provider="openai", api_key_env="TEAM_KEY")
    ours = {"PATH": "/usr/xbin", "TEAM_KEY": key, "OPENAI_API_KEY": "other", "no_proxy": "a"}
    hers = agents_environment(
        section, ours | {"COPY": f"Bearer {KEY}"}, key=key, base_url="http://127.0.0.1:1/v1"
    )
    assert hers["PATH"] == "/usr/xbin"
    assert ("COPY" in hers) == (key == "x")
    assert "TEAM_KEY" not in hers
    assert hers["OPENAI_API_KEY"] == "sk-assay-proxy"
    assert (hers["no_proxy"], hers["OPENAI_BASE_URL"]) == ("a,127.0.0.1", "http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 1000\r\n\r\n{",
        b"Content-Length: abc\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
        b"Content-Length: 3\r\n\r\n\xff\xfe{",
    ],
)
async def test_a_rude_agent_is_heard_of_nowhere(
    shop: Shop, caplog: pytest.LogCaptureFixture, rest: bytes
) -> None:
    """Half a request and no HTTP at all must not fill the terminal, nor reach the provider."""

    async def does(client: Client) -> AgentResult:
        where = urlsplit(client.base_url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        head = f"POST {where.path}/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\n"
        writer.write(head.encode() + rest)
        await writer.drain()
        writer.write_eof()
        await reader.read()
        writer.close()
        await client.post(**CHAT)
        return finished()

    result = await shop.run(does)
    assert (result.stop_reason, result.total_tokens) == ("finish", 120)
    assert (caplog.records, len(shop.provider.asked)) == ([], 1)


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
