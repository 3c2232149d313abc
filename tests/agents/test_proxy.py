"""What goes through the proxy: the real key and the prompt under test in, every byte back."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from assay.agents.protocol import AgentResult
from assay.agents.proxy.environment import agents_environment
from assay.prompts import system_prompt
from assay.proxy_section import ProxySection
from tests.fakes.provider import Turn
from tests.fakes.proxied import CHAT, HI, KEY, TWO_CALLS, Client, Got, Shop, Told, finished
from tests.fakes.workshop import PROMPT


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
