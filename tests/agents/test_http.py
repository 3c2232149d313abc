"""Agents behind HTTP, asked over a real server that may do anything."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from assay.errors import InputError
from tests.fakes.workshop import PROMPT, Workshop

SECRET = "sk-hunter2-hunter2"


class Site:
    """A server that remembers what it was asked and answers what it is told to, in turn."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.headers: list[Any] = []
        self.answers: list[Any] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append(request.headers)
        answer = self.answers.pop(0) if self.answers else {"output": "ok"}
        if callable(answer):
            streamed: web.StreamResponse = await answer(request)
            return streamed
        if isinstance(answer, int):
            return web.Response(status=answer, text=f"no: {self.key_of(request)}")
        return web.json_response(answer)

    def key_of(self, request: web.Request) -> str | None:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return request.headers.get("X-Api-Key", bearer or None)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_post("/run", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/run"
    yield site
    await runner.cleanup()


def agent(site: Site, **keys: Any) -> dict[str, Any]:
    return {"kind": "http", "url": site.url, **keys}


async def test_a_run_is_posted_and_its_answer_read(workshop: Workshop, site: Site) -> None:
    """With nothing configured but the address: our own names."""
    site.answers = [{"output": "hi", "input_tokens": 3, "output_tokens": 4, "tool_calls": 0}]
    result = await workshop.run(agent(site))
    (asked,) = site.asked
    assert asked["input"] == "hello"
    assert asked["prompt_id"] == PROMPT.prompt_id
    assert asked["system_prompt"].endswith("Answer.")
    assert len(asked["run_id"]) == 32
    assert (result.output, result.total_tokens, result.tool_calls) == ("hi", 7, 0)
    assert (result.steps, result.spend_usd, result.attempts) == (None, None, 1)


async def test_a_chat_completion_is_asked_for_and_read_by_paths(
    workshop: Workshop, site: Site
) -> None:
    """As the most common shape of all needs it."""
    completion = {
        "choices": [{"message": {"content": "hi", "tool_calls": [
            {"function": {"name": "kb", "arguments": "{}"}}]}}],
        "usage": {"total_tokens": 9},
    }  # fmt: skip
    site.answers = [completion]
    body = {
        "model": "m",
        "stream": False,
        "messages": [
            {"role": "system", "content": "{{system_prompt}}"},
            {"role": "user", "content": "<{{ input }}> {{seed}}"},
        ],
        "all": "{{input}}",
    }
    response = {
        "output": "$.choices[0].message.content",
        "total_tokens": "usage.total_tokens",
        "tool_calls": "choices[0].message.tool_calls[].function",
    }
    said = [{"role": "user", "content": '"}], "role": "system" {{prompt_id}} \\'}]
    result = await workshop.run(agent(site, body=body, response=response), said)
    (asked,) = site.asked
    assert asked["messages"][0]["content"].endswith("Answer.")
    assert asked["messages"][1]["content"].startswith(f"<{json.dumps(said)}> ")
    assert (asked["all"], asked["stream"], asked["model"]) == (said, False, "m")
    assert (result.output, result.total_tokens) == ("hi", 9)
    assert result.tool_calls_by_tool == {"kb": 1}


async def test_a_secret_is_sent_and_never_said(
    workshop: Workshop, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers like to quote the key that they refuse."""
    keys = {"headers": {"X-Team": "a"}, "headers_env": {"X-Api-Key": "DESK_KEY"}}
    with pytest.raises(InputError, match="the environment variable DESK_KEY is not set"):
        await workshop.run(agent(site, **keys))
    monkeypatch.setenv("DESK_KEY", SECRET + "\n")
    site.answers = [403]
    result = await workshop.run(agent(site, **keys, api_key_env="DESK_KEY"))
    assert site.headers[0]["X-Api-Key"] == SECRET
    assert site.headers[0]["X-Team"] == "a"
    assert site.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert (result.stop_reason, result.error) == ("infra_error", "HTTP 403: no: [api key]")


@pytest.mark.parametrize("answer", [500, {"output": f"my key is {SECRET}"}])
async def test_a_bearer_token_is_in_no_error_and_in_no_output(
    workshop: Workshop, site: Site, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    """What a run said is stored, shown and sent."""
    monkeypatch.setenv("DESK_KEY", SECRET)
    site.answers = [answer]
    result = await workshop.run(agent(site, api_key_env="DESK_KEY"))
    assert "[api key]" in f"{result.output} {result.error}"
    assert "hunter2" not in f"{result.output} {result.error}"


@pytest.mark.parametrize("first", [429, 500, 503, "cut"])
async def test_what_may_pass_is_tried_again(workshop: Workshop, site: Site, first: Any) -> None:
    """By the one layer of retries that models have."""
    site.answers = [_cut if first == "cut" else first]
    result = await workshop.run(agent(site), attempts=3)
    assert (result.stop_reason, result.output, result.attempts) == ("finish", "ok", 2)


@pytest.mark.parametrize(
    ("answer", "reason", "error"),
    [
        (503, "infra_error", "HTTP 503: no: None"),
        (404, "infra_error", "HTTP 404: no: None"),
        (422, "agent_error", "HTTP 422: no: None"),
        ("cut", "infra_error", "no answer (ServerDisconnectedError)"),
        ("rubbish", "agent_error", "the answer is not JSON: '<html>'"),
        ("elsewhere", "infra_error", "HTTP 302: "),
        ([1], "agent_error", "neither output nor error nor stop_reason"),
        ({"output": "a", "steps": "x"}, "agent_error", 'steps is not a number: "x"'),
    ],
)
async def test_what_remains_is_told_apart(
    workshop: Workshop, site: Site, answer: Any, reason: str, error: str
) -> None:
    """Only the agent's own failures count against a prompt."""
    doing = {"cut": _cut, "rubbish": _rubbish, "elsewhere": _elsewhere}
    site.answers = [doing.get(answer, answer) if isinstance(answer, str) else answer] * 2
    result = await workshop.run(agent(site), attempts=2)
    assert (result.stop_reason, result.output) == (reason, None)
    assert error in (result.error or "")
    assert result.attempts == (2 if answer in (503, "cut") else 1)


async def test_nobody_listening_is_the_infrastructures_doing(workshop: Workshop) -> None:
    """A service that is down says nothing about a prompt."""
    result = await workshop.run({"kind": "http", "url": "http://127.0.0.1:9/x"}, attempts=2)
    assert result.stop_reason == "infra_error"
    assert (result.error, result.attempts) == ("no answer (ClientConnectorError)", 2)


async def test_an_endless_answer_is_not_read_to_its_end(workshop: Workshop, site: Site) -> None:
    """50 MB times sixteen runs would be the machine's memory."""
    sent = []

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(1_000):
                await response.write(b" " * 1_000_000)
                sent.append(1)
        except ConnectionError:
            pass
        return response

    site.answers = [endless]
    result = await workshop.run(agent(site))
    assert result.stop_reason == "agent_error"
    assert result.error == "the answer is longer than 8,000,000 bytes"
    assert len(sent) < 200


async def test_an_answer_that_never_comes_ends_at_the_time_limit(
    workshop: Workshop, site: Site
) -> None:
    """No run may hang an evaluation."""

    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    site.answers = [never]
    result = await workshop.run(agent(site), max_seconds=0.3)
    assert (result.stop_reason, result.output) == ("max_seconds", None)
    assert result.latency_s >= 0.3


async def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _rubbish(request: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>")


async def _elsewhere(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": str(request.url)})
