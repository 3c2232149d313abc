"""The proxy among strangers: wrong addresses, rude agents, and answers that nobody expects."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from assay.agents.protocol import AgentResult
from tests.fakes.provider import Turn
from tests.fakes.proxied import CHAT, Client, Shop, Told, finished, times


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
