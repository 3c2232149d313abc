"""The processes of Python functions: shared, replaced, and harmless whatever is done in them."""

import asyncio

import pytest

from assay.agents import pool
from tests.fakes.workshop import Workshop

AGENT = {"kind": "python", "entrypoint": "agent:run"}

SHARED = """
import asyncio, os, time
async def run(input, prompt_id):
    if input == "block":
        time.sleep(600)
    if input == "crash":
        await asyncio.sleep(0.2)
        os._exit(1)
    if input == "wait":
        await asyncio.sleep(600)
    await asyncio.sleep(0.3)
    return str(os.getpid())
"""


async def test_what_a_function_prints_is_no_answer_and_ends_in_its_error(
    workshop: Workshop,
) -> None:
    """Prints are for people; the last of them explain a crash."""
    workshop.write(
        "agent.py",
        """
        import os, sys
        def run(input, prompt_id):
            print("x" * 200_000)
            os.system("echo from a child")
            print("last words", file=sys.stderr)
            if input == "crash":
                os._exit(1)
            return "ok"
        """,
    )
    async with workshop.opened(AGENT, at_once=1) as bench:
        assert (await bench.run()).output == "ok"
        error = (await bench.run("crash")).error or ""
    assert "last words" in error
    assert "from a child" in error
    assert len(error) <= 2_100


@pytest.mark.parametrize("style", ["def", "async def"])
async def test_a_run_that_hangs_is_killed_with_its_children_and_its_process_replaced(
    workshop: Workshop, style: str
) -> None:
    """Code that blocks cannot be interrupted; it can be killed."""
    workshop.write(
        "agent.py",
        f"""
        import subprocess, time
        {style} run(input, prompt_id):
            if input == "hang":
                subprocess.Popen(["sleep", "600"])
                subprocess.Popen(["sleep", "600"], start_new_session=True)
                time.sleep(600)
            return "ok"
        """,
    )
    with workshop.leaving_none_behind():
        async with workshop.opened(AGENT, at_once=1, max_seconds=0.5) as bench:
            late = await bench.run("hang")
            assert (await bench.run()).output == "ok"
    assert (late.stop_reason, late.attempts) == ("max_seconds", 1)
    assert late.latency_s >= 0.5


async def test_a_forked_child_that_comes_back_answers_nothing(workshop: Workshop) -> None:
    """Two answers to one run would be one too many."""
    workshop.write(
        "agent.py",
        """
        import os
        def run(input, prompt_id):
            return "child" if os.fork() == 0 else "parent"
        """,
    )
    async with workshop.opened(AGENT, at_once=1) as bench:
        outputs = [(await bench.run()).output for _ in range(3)]
    assert outputs == ["parent"] * 3


async def test_a_crash_is_noticed_though_a_child_holds_the_pipe(workshop: Workshop) -> None:
    """Else it would look like a run that takes too long."""
    workshop.write(
        "agent.py",
        """
        import os, time
        def run(input, prompt_id):
            if os.fork() == 0:
                time.sleep(600)
            os._exit(4)
        """,
    )
    result = await workshop.run(AGENT)
    assert (result.stop_reason, result.error) == (
        "agent_error",
        "the process ended with exit code 4",
    )


async def test_async_runs_share_a_process(workshop: Workshop) -> None:
    """An interpreter for each of fifty waiting runs would be waste."""
    workshop.write("agent.py", SHARED)
    async with workshop.opened(AGENT | {"processes": 1}) as bench:
        results = await asyncio.gather(*(bench.run() for _ in range(4)))
    assert len({result.output for result in results}) == 1
    assert {result.attempts for result in results} == {1}


@pytest.mark.parametrize(("harm", "reason"), [("crash", "agent_error"), ("block", "max_seconds")])
async def test_a_run_that_harms_its_process_harms_no_other_run(
    workshop: Workshop, harm: str, reason: str
) -> None:
    """The others are made again; a neighbour's crash says nothing about their prompt."""
    workshop.write("agent.py", SHARED)
    async with workshop.opened(AGENT | {"processes": 1}, max_seconds=1.5) as bench:
        results = await asyncio.gather(*(bench.run(each) for each in ("a", harm, "b", "c")))
    assert [result.stop_reason for result in results] == ["finish", reason, "finish", "finish"]
    assert results[1].attempts == 2


async def test_a_late_run_that_can_be_cancelled_leaves_its_process_alone(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else's work is thrown away for it."""
    monkeypatch.setattr(pool, "GRACE_S", 20)
    workshop.write("agent.py", SHARED.replace("0.3", "0.8 if input == 'slow' else 0"))
    async with workshop.opened(AGENT | {"processes": 1}, max_seconds=1) as bench:
        before = (await bench.run()).output
        waiting = asyncio.create_task(bench.run("wait"))
        await asyncio.sleep(0.5)
        slow, late = await asyncio.gather(bench.run("slow"), waiting)
        after = (await bench.run()).output
    assert (late.stop_reason, late.attempts) == ("max_seconds", 1)
    assert (slow.stop_reason, slow.attempts) == ("finish", 1)
    assert before == after


async def test_functions_that_are_not_async_run_one_at_a_time_in_a_process(
    workshop: Workshop,
) -> None:
    """Their authors never thought of threads."""
    workshop.write(
        "agent.py",
        """
        import os, time
        running = 0
        def run(input, prompt_id):
            global running
            running += 1
            time.sleep(0.05)
            together, running = running, running - 1
            return f"{os.getpid()} {together}"
        """,
    )
    async with workshop.opened(AGENT | {"processes": 2}) as bench:
        assert bench.agent.max_concurrency == 2
        results = await asyncio.gather(*(bench.run() for _ in range(6)))
    outputs = [(result.output or "").split() for result in results]
    assert len({pid for pid, _ in outputs}) == 2
    assert {together for _, together in outputs} == {"1"}


async def test_a_cancelled_evaluation_leaves_no_process_behind(workshop: Workshop) -> None:
    """Ctrl-C in the middle of a run."""
    workshop.write(
        "agent.py",
        """
        import pathlib, time
        def run(input, prompt_id):
            pathlib.Path("running").touch()
            time.sleep(600)
        """,
    )

    async def evaluate() -> None:
        await workshop.run(AGENT)

    with workshop.leaving_none_behind():
        evaluating = asyncio.create_task(evaluate())
        while not (workshop.folder / "running").exists():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
        evaluating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await evaluating
