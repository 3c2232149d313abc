"""Faults put in on purpose: the same for both prompts, as often as asked for, and visible."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import ToolReturnPart
from scipy.stats import binom

from assay.agents.faults import RunFaults
from assay.config import Budgets
from assay.fault_sections import ToolFaults
from assay.records import RunKey
from tests.fakes.loop import Bench
from tests.fakes.sources import FakeSource, calls, says

HALF = {"kb.search": ToolFaults(error_rate=0.3, empty_rate=0.2, latency_s=1, latency_rate=0.5)}
SEARCH = ("kb_search", {"query": "lamps"})


def key(prompt: str = "p:v1:0", task: str = "t", repeat: int = 1, seed: int = 0) -> RunKey:
    return RunKey(
        evaluation_id="e", prompt_id=prompt, golden_task_id=task, repeat=repeat, seed=seed
    )


@given(
    seed=st.integers(0, 2**31),
    task=st.text(min_size=1),
    repeat=st.integers(1, 50),
    tools=st.lists(st.sampled_from(["kb.search", "kb.read"]), max_size=20),
)
def test_both_prompts_meet_the_same_faults(
    seed: int, task: str, repeat: int, tools: list[str]
) -> None:
    """A pair whose worlds differ would compare the worlds."""
    met = [
        [RunFaults(HALF, key(prompt, task, repeat, seed)).next(tool) for tool in tools]
        for prompt in ("p:v1:0", "p:v2:f")
    ]
    assert met[0] == met[1]


def test_a_call_of_one_tool_moves_no_fault_of_another() -> None:
    """A prompt that searches more must not change what its pair meets when it reads."""
    alone, mixed = RunFaults(HALF | {"kb.read": HALF["kb.search"]}, key()), RunFaults(HALF, key())
    expected = [alone.next("kb.search") for _ in range(30)]
    met = []
    for _ in range(30):
        mixed.next("kb.read")
        met.append(mixed.next("kb.search"))
    assert met == expected


def test_the_rates_hold() -> None:
    """10 % asked for and 3 % given would be a test of something else."""
    n = 4000
    met = [
        faults.next("kb.search")
        for repeat in range(n // 4)
        for faults in [RunFaults(HALF, key(repeat=repeat))]
        for _ in range(4)
    ]
    for share, found in (
        (0.3, sum(fault.is_error for fault in met)),
        (0.2, sum(fault.is_empty for fault in met)),
        (0.5, sum(fault.latency_s > 0 for fault in met)),
    ):
        low, high = binom.interval(0.9999, n, share)
        assert low <= found <= high
    assert not any(fault.is_error and fault.is_empty for fault in met)


@pytest.mark.parametrize(
    ("content", "empty", "changed"),
    [
        ([{"id": 1, "title": "a"}], [], [{"name": "a"}]),
        ({"id": 1, "title": "a"}, {}, {"name": "a"}),
        ("text", "", "text"),
        (7, None, 7),
    ],
)
def test_a_result_is_empty_or_changed_in_its_own_kind(
    content: Any, empty: Any, changed: Any
) -> None:
    """A model that is handed a null for a list meets another fault than was meant."""
    answer = ToolReturnPart("kb_search", content, "id")
    renamed = {"t": ToolFaults(drop_fields=("id",), rename_fields={"title": "name"})}
    assert RunFaults({"t": ToolFaults(empty_rate=1)}, key()).next("t").changed(answer).content == (
        empty
    )
    assert RunFaults(renamed, key()).next("t").changed(answer).content == changed


async def test_a_call_that_fails_on_purpose_is_not_made_and_shown_in_the_trace(
    bench: Bench,
) -> None:
    """An outage has no side effects; who reads the run must see that it was not a real one."""
    source = FakeSource(calls(SEARCH), says("Sorry."))
    result = await bench.run(source, faults={"kb.search": ToolFaults(error_rate=1)})
    (call,) = result.calls
    assert (call.outcome, call.fault) == ("failed", "injected fault: error")
    assert bench.desk.executed == []
    (told,) = source.model.requests[-1][-1].parts
    assert "did not answer" in told.content
    assert "injected" not in told.content  # a model that knows behaves otherwise


async def test_injected_latency_is_work(bench: Bench) -> None:
    """A slow tool is slow for the customer."""
    late = {"kb.search": ToolFaults(latency_s=0.05)}
    result = await bench.run(FakeSource(calls(SEARCH), says("Done.")), faults=late)
    assert result.latency_s >= 0.05
    assert result.calls[0].fault == "injected fault: 0.05 s later"


async def test_injected_latency_is_held_to_the_time_limit(bench: Bench) -> None:
    """The budget of seconds sees it as the customer would."""
    slow = {"kb.search": ToolFaults(latency_s=3600)}
    async with asyncio.timeout(10):
        stopped = await bench.run(
            FakeSource(calls(SEARCH)), faults=slow, budgets=Budgets(max_seconds=0.05)
        )
    assert stopped.stop_reason == "max_seconds"


async def test_without_faults_a_trace_says_nothing_of_them(bench: Bench) -> None:
    """The other way round it would be a false alarm."""
    faults = {"kb.search": ToolFaults()}
    result = await bench.run(FakeSource(calls(SEARCH), says("Done.")), faults=faults)
    assert (result.calls[0].fault, bench.desk.executed) == (None, ["lamps"])
