"""Agents that are programs, in any language: one answer from each run, whatever they do."""

import asyncio
import json
import sys
from typing import Any

import pytest

from assay.errors import InputError
from tests.fakes.workshop import PROMPT, Workshop

PER_RUN: dict[str, Any] = {"kind": "command", "command": [sys.executable, "agent.py"]}
POOL = PER_RUN | {"pool": 1}

SPEAKS = """
import json, os, subprocess, sys, time
def act(told):
    match told["input"]:
        case "crash":
            sys.exit("no shard")
        case "rubbish":
            print("debug: thinking...", flush=True)
        case "50 MB":
            print("x" * 50_000_000, flush=True)
        case "endless":
            while True:
                print("x" * 1_000_000, end="")
        case "hang":
            subprocess.Popen(["sleep", "600"])
            subprocess.Popen(["sleep", "600"], start_new_session=True)
            time.sleep(600)
        case "closed":
            os.close(1)
            time.sleep(600)
        case "list":
            print("[1]", flush=True)
        case "deep":
            print("[" * 500_000, flush=True)
    return {"output": str(os.getpid()), "total_tokens": 7, "id": told.get("id")}
"""
ONCE = SPEAKS + "print(json.dumps(act(json.load(sys.stdin))))\n"
LIVES_ON = SPEAKS + "for line in sys.stdin: print(json.dumps(act(json.loads(line))), flush=True)\n"
KINDS = pytest.mark.parametrize(("agent", "code"), [(PER_RUN, ONCE), (POOL, LIVES_ON)])


async def test_a_program_is_told_the_run_and_says_what_it_used(workshop: Workshop) -> None:
    """The whole document, once."""
    workshop.write(
        "agent.py",
        """
        import json, sys
        told = json.load(sys.stdin)
        print(json.dumps({"output": json.dumps(told), "input_tokens": 5, "output_tokens": 6,
                          "tool_calls": 2, "stop_reason": "handed_over"}))
        """,
    )
    result = await workshop.run(PER_RUN, [{"role": "user", "content": "é"}], max_tokens=50)
    told = json.loads(result.output or "")
    assert told["input"] == [{"role": "user", "content": "é"}]
    assert told["system_prompt"].endswith(f"[prompt_id={PROMPT.prompt_id}]\nAnswer.")
    assert (told["prompt_text"], told["prompt_id"]) == ("Answer.", PROMPT.prompt_id)
    assert told["budgets"]["max_tokens"] == 50
    assert told["metadata"] == {}
    assert (result.stop_reason, result.total_tokens, result.tool_calls) == ("handed_over", 11, 2)
    assert (result.steps, result.spend_usd) == (None, None)


@pytest.mark.parametrize("command", ["cat agent.py", ["cat", "agent.py"]])
async def test_a_text_is_the_output_as_it_is(workshop: Workshop, command: Any) -> None:
    """For `promptfoo exec:` and everything else that just prints; its input is not read."""
    workshop.write("agent.py", '{"output": "no"}\n')
    agent = {"kind": "command", "command": command, "output": "text"}
    result = await workshop.run(agent, "x" * 1_000_000)
    assert (result.output, result.stop_reason) == ('{"output": "no"}', "finish")


async def test_a_program_that_is_not_there_is_an_error_before_any_run(workshop: Workshop) -> None:
    """And one with a slash is looked for from the configuration's folder."""
    with pytest.raises(InputError, match="there is no program 'nowhere'"):
        await workshop.run({"kind": "command", "command": "nowhere"})
    with pytest.raises(InputError, match=r"there is no program 'bin/agent'"):
        await workshop.run({"kind": "command", "command": "bin/agent"})
    workshop.write("bin/agent", "#!/bin/sh\necho ok\n").chmod(0o755)
    result = await workshop.run({"kind": "command", "command": "bin/agent", "output": "text"})
    assert result.output == "ok"


@KINDS
@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("crash", "exit code 1: no shard"),
        ("rubbish", "its standard output is not JSON: 'debug: thinking..."),
        ("50 MB", "its answer is longer than 8,000,000 bytes"),
        ("endless", "its answer is longer than 8,000,000 bytes"),
        ("list", "its standard output is not"),
        ("deep", "not JSON"),
    ],
)
async def test_a_program_that_breaks_is_an_agent_error_and_the_next_run_is_made(
    workshop: Workshop, agent: dict[str, Any], code: str, said: str, error: str
) -> None:
    """Whatever it prints, an evaluation goes on, and its memory stays small."""
    workshop.write("agent.py", code)
    async with workshop.opened(agent) as bench:
        broken, fine = await bench.run(said), await bench.run("fine")
    assert broken.stop_reason == "agent_error"
    assert error in (broken.error or "")
    assert len(broken.error or "") <= 2_000
    assert (fine.stop_reason, fine.total_tokens) == ("finish", 7)


@KINDS
@pytest.mark.parametrize("said", ["hang", "closed"])
async def test_a_program_over_its_time_is_killed_with_its_children(
    workshop: Workshop, agent: dict[str, Any], code: str, said: str
) -> None:
    """Those in sessions of their own as well."""
    workshop.write("agent.py", code)
    with workshop.leaving_none_behind():
        async with workshop.opened(agent, max_seconds=0.7) as bench:
            late, fine = await bench.run(said), await bench.run("fine")
    assert late.stop_reason == "max_seconds"
    assert late.latency_s >= 0.7
    assert fine.stop_reason == "finish"


async def test_a_program_ends_though_its_child_holds_the_output(workshop: Workshop) -> None:
    """What it has printed is its answer; the child is killed."""
    command = 'sh -c \'echo "{\\"output\\": 1}"; sleep 600 &\''
    result = await workshop.run({"kind": "command", "command": command})
    assert (result.stop_reason, result.output) == ("finish", "1")


DAEMON = """
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os._exit(0)
os.wait()
print("ok")
"""


async def test_what_has_lost_its_parent_is_killed_too(workshop: Workshop) -> None:
    """A browser that an agent forgets would run as long as the machine, once for each run."""
    workshop.write("agent.py", DAEMON)
    agent = PER_RUN | {"output": "text"}
    with workshop.leaving_none_behind():
        result = await workshop.run(agent)
    assert result.stop_reason == "finish"


async def test_the_end_of_standard_error_explains_rubbish(workshop: Workshop) -> None:
    """A stack trace of Node's is there."""
    command = "sh -c 'echo no; seq 100000 >&2; echo because >&2'"
    result = await workshop.run({"kind": "command", "command": command})
    assert (result.error or "").startswith("its standard output is not JSON: 'no'; ")
    assert (result.error or "").endswith("because")
    assert len(result.error or "") <= 2_000


async def test_a_process_is_started_for_each_run_or_lives_on(workshop: Workshop) -> None:
    """Starting Node and its modules a hundred times is what a pool is for."""
    workshop.write("agent.py", ONCE)
    async with workshop.opened(PER_RUN) as bench:
        outputs = [result.output for result in [await bench.run(), await bench.run()]]
    assert len(set(outputs)) == 2
    workshop.write("agent.py", LIVES_ON)
    async with workshop.opened(POOL | {"pool": 2}) as bench:
        assert bench.agent.max_concurrency == 2
        results = await asyncio.gather(*(bench.run() for _ in range(8)))
        outputs = [result.output for result in results]
    assert len(set(outputs)) == 2


async def test_an_answer_to_another_run_is_no_answer(workshop: Workshop) -> None:
    """Two runs mixed up would be worse than one lost."""
    workshop.write("agent.py", 'input(); print(\'{"id": "other", "output": "x"}\', flush=True)')
    result = await workshop.run(POOL)
    assert result.stop_reason == "agent_error"
    assert "an answer to no request: 'other'" in (result.error or "")
