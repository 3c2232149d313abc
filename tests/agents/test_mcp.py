"""MCP servers: their tools are tools as any other, and what becomes of the servers is data."""

import asyncio
import importlib.util
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.models.test import TestModel

from assay.agents.offered_tools import open_toolbox
from assay.agents.toolbox import Toolbox, ToolsGone
from assay.doctor import agent as doctor
from assay.doctor.finding import Level, examined
from assay.errors import InputError
from assay.records import RunKey, RunScope
from tests.fakes.workshop import Workshop

FAKE = Path(__file__).parents[1] / "fakes" / "mcp_server.py"
EXAMPLE = Path(__file__).parents[2] / "examples" / "mcp_tools" / "server.py"
KEY = RunKey(evaluation_id="e", prompt_id="p", golden_task_id="t", repeat=1, seed=0)
SCOPE = RunScope(key=KEY, folder=Path())


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that do not obey are killed sooner than in service."""
    monkeypatch.setattr("assay.agents.mcp_transports.GRACE_S", 0.1)


def fake(*flags: str, **section: Any) -> dict[str, Any]:
    return {"command": [sys.executable, str(FAKE), *flags], **section}


@asynccontextmanager
async def served(shop: Workshop, /, **servers: Any) -> AsyncIterator[Toolbox]:
    """The tools of these servers."""
    config = shop.config({"mcp_servers": servers})
    async with open_toolbox(config, config.agent) as toolbox:  # type: ignore[arg-type]
        yield toolbox


async def call(toolbox: Toolbox, name: str, **arguments: Any) -> ToolReturnPart:
    return await toolbox.call(ToolCallPart(name, arguments), scope=SCOPE, model=TestModel())


async def refused(shop: Workshop, /, **servers: Any) -> str:
    with pytest.raises(InputError) as error:
        async with served(shop, **servers):
            pass
    return str(error.value)


async def test_a_program_s_tools_are_offered_under_its_name(workshop: Workshop) -> None:
    """What it prints beside its messages is no reason to fail: many servers do."""
    async with served(workshop, kb=fake()) as toolbox:
        assert "kb.echo" in toolbox.names
        offered = next(each for each in toolbox.definitions if each.name == "kb_echo")
        assert (offered.description, offered.parameters_json_schema["required"]) == (
            "Echo",
            ["text"],
        )
        answer = await call(toolbox, "kb_echo", text="é\n\u2028")
        assert (answer.outcome, answer.content) == ("success", "é\n\u2028")
        failed = await call(toolbox, "kb_fail", text="luck")
        assert (failed.outcome, failed.content) == ("failed", "no luck")
        assert (await call(toolbox, "kb_wink", text="")).content == "[image]"


async def test_calls_of_many_runs_share_one_server_and_do_not_mix(workshop: Workshop) -> None:
    """It is started once for an evaluation."""
    async with served(workshop, kb=fake()) as toolbox:
        texts = [str(number) for number in range(50)]
        answers = await asyncio.gather(*(call(toolbox, "kb_echo", text=text) for text in texts))
        assert [answer.content for answer in answers] == texts


async def test_a_server_sees_only_the_variables_that_are_named(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's key is none of a tool server's business."""
    monkeypatch.setenv("MODEL_KEY", "sk-hunter2")
    monkeypatch.setenv("KB_TOKEN", "token")
    async with served(workshop, kb=fake(env_from=["KB_TOKEN"])) as toolbox:
        seen = (await call(toolbox, "kb_variables", text="")).content.split(",")
    assert "KB_TOKEN" in seen
    assert "MODEL_KEY" not in seen


async def test_a_server_that_dies_fails_its_call_and_is_started_again(workshop: Workshop) -> None:
    """One crash must not cost the evaluation, nor look like an answer."""
    async with served(workshop, kb=fake()) as toolbox:
        dead = await asyncio.gather(*(call(toolbox, "kb_die", text="") for _ in range(3)))
        assert {answer.outcome for answer in dead} == {"failed"}
        assert dead[0].content == "The tool broke down; whether it did anything is unknown."
        assert (await call(toolbox, "kb_echo", text="again")).content == "again"


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("flood", "The tool broke down; whether it did anything is unknown."),
        ("big", "The answer has 2,097,154 bytes; 1,000,000 are taken."),
        ("hang", "There was no answer within 0.5 s."),
    ],
)
async def test_what_no_model_could_use_fails_the_call(
    workshop: Workshop, tool: str, words: str
) -> None:
    """Neither our memory nor a run's time belongs to a server."""
    async with served(workshop, kb=fake(max_seconds=0.5 if tool == "hang" else 30)) as toolbox:
        answer = await call(toolbox, f"kb_{tool}", text="")
    assert (answer.outcome, answer.content) == ("failed", words)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--refuse", "it ended: exit code 1: the licence has expired?[31m"),
        ("--more", "it offers other tools than at the start"),
    ],
)
async def test_a_server_that_does_not_come_back_as_it_was_ends_the_run(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, flag: str, words: str
) -> None:
    """What a run would do without its tools says nothing of its prompt."""
    monkeypatch.setattr("assay.agents.mcp_server.TRIES_AFTER_S", (0.0,))
    file = workshop.folder / "flag"
    async with served(workshop, kb=fake(flag, str(file))) as toolbox:
        file.touch()
        for _ in range(2):
            with pytest.raises(ToolsGone) as gone:
                await call(toolbox, "kb_die", text="")
            assert str(gone.value) == f"the MCP server 'kb' is gone: {words}"
        file.unlink()
        assert (await call(toolbox, "kb_echo", text="back")).content == "back"


async def test_no_process_is_left_whatever_a_server_does(workshop: Workshop) -> None:
    """Neither a server that does not end by itself, nor what it has started."""
    with suppress(ZeroDivisionError):  # as a bug would
        async with served(workshop, kb=fake("--stubborn"), other=fake()) as toolbox:
            child = psutil.Process(int((await call(toolbox, "kb_fork", text="")).content))
            1 / 0  # noqa: B018
    assert _servers() == []
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("flag", ["--deaf", "--none"])
async def test_an_evaluation_that_is_cancelled_leaves_no_process(
    workshop: Workshop, flag: str
) -> None:
    """Ctrl-C, in the middle of a start or of a call."""
    called = workshop.folder / "called"

    async def work() -> None:
        async with served(workshop, kb=fake(flag)) as toolbox:
            await call(toolbox, "kb_hang", text=str(called))

    task = asyncio.create_task(work())
    while not (_servers() if flag == "--deaf" else called.exists()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    children = _servers()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert psutil.wait_procs(children, timeout=10)[1] == []


def _servers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if str(FAKE) in child.cmdline():
                found.append(child)
    return found


async def test_a_server_that_cannot_be_had_is_the_user_s_mistake(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any run, with the reason that it gave and what to do."""
    (workshop.folder / "flag").touch()
    path = workshop.folder / "assay.yaml"
    said = await refused(workshop, kb=fake("--refuse", str(workshop.folder / "flag")))
    assert said.startswith(
        f"{path}: the MCP server 'kb': it ended: exit code 1: the licence has expired?[31m\n"
        "  mend: start it by hand in the configuration's folder: "
    )
    said = await refused(workshop, kb={"command": "no-such-program-here"})
    assert "the MCP server 'kb': it cannot be started: No such file" in said
    said = await refused(workshop, kb=fake("--nonsense"))
    assert "the MCP server 'kb': it does not tell its tools: ValidationError: " in said
    said = await refused(workshop, kb=fake("--deaf", max_seconds=0.3))
    assert "it did not answer within 0.3 s" in said
    monkeypatch.delenv("KB_TOKEN", raising=False)
    said = await refused(workshop, kb=fake(env_from=["KB_TOKEN"]))
    assert said.endswith("variable KB_TOKEN is not set\n  mend: export KB_TOKEN=...")
    said = await refused(workshop, kb={"url": f"http://127.0.0.1:{_free_port()}/mcp?key=hunter2"})
    assert "the MCP server 'kb': " in said
    assert said.endswith("mend: start it, or correct agent.mcp_servers.kb.url")
    assert "hunter2" not in said


def test_the_doctor_lists_the_servers_tools_or_says_what_is_wrong(workshop: Workshop) -> None:
    """What a server offers is seen nowhere else before money is spent."""
    section = fake(env_from=["PATH"])
    config = workshop.config({"mcp_servers": {"kb": section}, "blocked_tools": ["kb.die"]})
    (found,) = examined("tools", partial(doctor.tools, config))
    assert found.level is Level.OK
    assert found.says.startswith("kb.echo, kb.hang, kb.flood, ")
    assert "kb.die" not in found.says
    config = workshop.config({"mcp_servers": {"kb": {"command": "no-such-program-here"}}})
    (found,) = examined("tools", partial(doctor.tools, config))
    assert found.level is Level.FAIL
    assert "the MCP server 'kb': it cannot be started: No such file" in found.says


async def test_two_servers_of_which_the_second_fails_leave_none(workshop: Workshop) -> None:
    """The first is up already when that is seen."""
    await refused(workshop, kb=fake(), other={"command": "no-such-program-here"})
    assert _servers() == []


async def test_the_example_s_tools_are_the_same_over_http(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One server, two ways to it; one that is deployed anew is found again."""
    port = _free_port()
    monkeypatch.setenv("SHOP_TOKEN", "Bearer x")
    monkeypatch.setattr("assay.agents.mcp_server.TRIES_AFTER_S", (0.0,))
    shop = {
        "url": f"http://127.0.0.1:{port}/mcp",
        "headers_env": {"Authorization": "SHOP_TOKEN"},
        "max_seconds": 5,
    }
    with example_on(port) as first:
        async with served(workshop, shop=shop) as toolbox:
            found = await call(toolbox, "shop_search", query="warranty")
            assert [hit["id"] for hit in found.content] == ["warranty"]
            failed = await call(toolbox, "shop_read", article_id="x")
            assert (failed.outcome, "no page" in failed.content) == ("failed", True)
            first.end()
            with pytest.raises(ToolsGone):
                await call(toolbox, "shop_search", query="warranty")
            with example_on(port):
                again = await call(toolbox, "shop_search", query="warranty")
                assert again.content == found.content
            hashed = toolbox.tools_hash
    stdio = {"command": [sys.executable, str(EXAMPLE)]}
    async with served(workshop, shop=stdio) as toolbox:
        assert toolbox.tools_hash == hashed


class Running:
    """The example's server in a thread."""

    def __init__(self, port: int) -> None:
        spec = importlib.util.spec_from_file_location("mcp_example", EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        app = module.shop.streamable_http_app()
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def end(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def example_on(port: int) -> Iterator[Running]:
    running = Running(port)
    running.start()
    try:
        yield running
    finally:
        running.end()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
