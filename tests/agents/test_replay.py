"""The loop on a record: it asks nobody else, and says what the record does not hold."""

from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic_ai.tools import Tool

from assay.agents.builtin import BuiltinAgent
from assay.agents.protocol import AgentResult, Order
from assay.agents.toolbox import Toolbox
from assay.budgets import ToolPolicy
from assay.config import Budgets
from assay.models.prices import Price
from assay.prompts import PromptVersion
from assay.records import RunKey, RunScope
from assay.store.journal import Journal
from assay.store.record import RecordedRun
from assay.store.replay import KnownResults, RecordedTape, ToolsTape
from assay.store.tape import Tape
from tests.fakes.sources import FakeSource, calls, says

LAMPS = ("kb_search", {"query": "lamps", "limit": 3})
SAME_LAMPS = ("kb_search", {"limit": 3, "query": "lamps"})
RUGS = ("kb_search", {"query": "rugs", "limit": 3})


class Bench:
    """Records runs and replays them; its search says something else each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = count(1)
        self.executed = 0

    def search(self, query: str, limit: int) -> str:
        """Search."""
        self.executed += 1
        return f"{query} {next(self.said)}"

    async def run(
        self, source: FakeSource, tape: Tape, *, key: RunKey, said: str = "hello", **budgets: Any
    ) -> AgentResult:
        agent = BuiltinAgent(
            name="builtin", source=source, price=Price(), policy=ToolPolicy(), attempts=1,
            toolbox=Toolbox([Tool(self.search, name="kb.search")]), budgets=Budgets(**budgets),
        )  # fmt: skip
        prompt = PromptVersion("p", "v1", "Answer.", "p:v1:0")
        order = Order(prompt=prompt, input=said, scope=RunScope(key=key, folder=self.folder))
        return await agent.run(order, tape=tape)

    async def record(self, source: FakeSource, *, repeat: int = 1, **rest: Any) -> RecordedRun:
        with self.journal() as journal:
            tape = Tape("r", (), journal, keeps_requests=True)
            result = await self.run(source, tape, key=key(repeat=repeat), **rest)
        return RecordedRun(
            run_id=f"r{repeat}", prompt_id="p:v1:0", golden_task_id="t", repeat=repeat,
            latency_s=result.latency_s, stop_reason=result.stop_reason, error=result.error,
            exchanges=[
                each.as_line() | {"message": orjson.loads(each.message)}
                for each in tape.exchanges
            ],
        )  # fmt: skip

    async def tools(
        self, source: FakeSource, *runs: RecordedRun, repeat: int = 1, prompt: str = "p:v2:f"
    ) -> AgentResult:
        """A run of another prompt, its tools answered by the record."""
        its = key(prompt=prompt, repeat=repeat)
        with self.journal() as journal:
            tape = ToolsTape(its, (), journal, known=KnownResults(runs))
            return await self.run(source, tape, key=its)

    async def all(self, run: RecordedRun | None, **rest: Any) -> AgentResult:
        """The recorded run again."""
        with self.journal() as journal:
            return await self.run(SILENT, RecordedTape(key(), run, journal), key=key(), **rest)

    def journal(self) -> Journal:
        return Journal(self.folder / "tapes.jsonl")


SILENT = FakeSource(AssertionError("the model was asked"))


def key(*, prompt: str = "p:v1:0", repeat: int = 1) -> RunKey:
    return RunKey(evaluation_id="e", prompt_id=prompt, golden_task_id="t", repeat=repeat, seed=0)


def results(source: FakeSource) -> list[str]:
    """What the tools said in the last request to the model."""
    parts = [part for message in source.model.requests[-1] for part in message.parts]
    return [part.content for part in parts if part.part_kind == "tool-return"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_recorded_result_serves_every_prompt_and_no_tool_is_executed(bench: Bench) -> None:
    """Side effects never happen twice; the spelling of the arguments is no other question."""
    recorded = await bench.record(FakeSource(calls(LAMPS), says("ok")))
    executed = bench.executed
    source = FakeSource(calls(SAME_LAMPS), says("ok"))
    result = await bench.tools(source, recorded)
    assert (result.stop_reason, results(source)) == ("finish", ["lamps 1"])
    assert bench.executed == executed == 1


async def test_equal_calls_are_answered_in_order(bench: Bench) -> None:
    """A search asked twice because its first result was bad has to become better again."""
    recorded = await bench.record(FakeSource(calls(LAMPS, LAMPS), calls(LAMPS), says("ok")))
    source = FakeSource(calls(LAMPS), calls(LAMPS, LAMPS), says("ok"))
    await bench.tools(source, recorded)
    assert results(source) == ["lamps 1", "lamps 2", "lamps 3"]


async def test_the_same_repeat_is_served_if_it_asked(bench: Bench) -> None:
    """The world's own variance stays in the comparison, the same for both prompts."""
    runs = [
        await bench.record(FakeSource(calls(LAMPS), says("ok")), repeat=repeat)
        for repeat in (1, 2, 3)
    ]
    for repeat, expected in ((2, "lamps 2"), (3, "lamps 3"), (4, "lamps 1"), (5, "lamps 2")):
        for prompt in ("p:v1:0", "p:v2:f"):
            source = FakeSource(calls(LAMPS), says("ok"))
            await bench.tools(source, *runs, repeat=repeat, prompt=prompt)
            assert results(source) == [expected]


@pytest.mark.parametrize(
    ("asks", "words"),
    [
        ((RUGS,), 'not in the record: kb_search({"limit":3,"query":"rugs"})'),
        ((LAMPS, LAMPS), "for the 2. time in one run"),
        ((("kb_search", {"query": "lamps", "limit": 4}),), '"limit":4'),
    ],
)
async def test_a_miss_is_no_live_call_and_not_the_prompts_fault(
    bench: Bench, asks: tuple[Any, ...], words: str
) -> None:
    """A candidate that asks something new has not failed: it cannot be measured on a record."""
    recorded = await bench.record(FakeSource(calls(LAMPS), says("ok")))
    result = await bench.tools(FakeSource(calls(*asks), says("ok")), recorded)
    assert result.stop_reason == "infra_error"
    assert words in str(result.error)
    assert bench.executed == 1


async def test_a_tool_that_the_model_made_up_is_a_miss_too(bench: Bench) -> None:
    """Whatever is not in the record is asked of nobody."""
    recorded = await bench.record(FakeSource(calls(LAMPS), says("ok")))
    result = await bench.tools(FakeSource(calls(("rm_rf", {})), says("ok")), recorded)
    assert (result.stop_reason, result.error) == ("infra_error", "not in the record: rm_rf({})")


async def test_an_interrupted_replay_counts_the_calls_that_it_made(bench: Bench) -> None:
    """After a kill, the second equal call must not get the first one's result."""
    recorded = await bench.record(FakeSource(calls(LAMPS), calls(LAMPS), says("ok")))
    with bench.journal() as journal:
        first = ToolsTape(key(), (), journal, known=KnownResults([recorded]))
        await bench.run(FakeSource(calls(LAMPS), calls(LAMPS)), first, key=key(), max_steps=2)
        taped = [each for each in first.exchanges if each.call is None][:1]
        again = ToolsTape(key(), taped, journal, known=KnownResults([recorded]))
        source = FakeSource(calls(LAMPS), calls(LAMPS), says("ok"))
        await bench.run(source, again, key=key())
    assert results(source) == ["lamps 1", "lamps 2"]


async def test_a_whole_run_is_repeated_without_asking_anybody(bench: Bench) -> None:
    """In CI there is no key, no network and no money."""
    source = FakeSource(calls(LAMPS, RUGS), calls(LAMPS), says("Thirty days."))
    recorded = await bench.record(source)
    result = await bench.all(recorded)
    assert (result.stop_reason, result.output) == ("finish", "Thirty days.")
    assert (result.steps, result.tool_calls, result.total_tokens) == (3, 3, 60)
    assert [call.outcome for call in result.calls] == ["success"] * 3
    assert bench.executed == 3


@pytest.mark.parametrize(
    ("source", "budgets", "end"),
    [
        (FakeSource(calls(LAMPS), seconds=0.06), {"max_seconds": 0.05}, "max_seconds"),
        (FakeSource(calls(LAMPS), OSError("gone")), {}, "infra_error"),
        (FakeSource(calls(LAMPS), ValueError("rubbish")), {}, "agent_error"),
        (FakeSource(calls(LAMPS)), {"max_steps": 2}, "max_steps"),
    ],
)
async def test_a_run_that_was_cut_off_ends_as_it_did(
    bench: Bench, source: FakeSource, budgets: dict[str, Any], end: str
) -> None:
    """A crash in the record is evidence in the replay, too."""
    recorded = await bench.record(source, **budgets)
    assert recorded.stop_reason == end
    again = await bench.all(recorded, **budgets | {"max_seconds": 60})
    assert (again.stop_reason, again.error) == (end, recorded.error)


async def test_another_request_than_the_recorded_one_is_refused_with_what_changed(
    bench: Bench,
) -> None:
    """An answer to another question is no answer."""
    recorded = await bench.record(FakeSource(calls(LAMPS), says("ok")))
    result = await bench.all(recorded, said="another question")
    assert result.stop_reason == "infra_error"
    assert result.error == "not the recorded request (step 1 of the run): the user-prompt differs"
    limited = await bench.all(recorded, max_tokens=100)
    assert "settings.max_tokens: None then, 100 now" in str(limited.error)


async def test_a_run_that_nobody_recorded_says_so(bench: Bench) -> None:
    """More repeats than were recorded, say."""
    result = await bench.all(None)
    assert result.error == "not in the record: p:v1:0 on t, repeat 1"
    assert result.stop_reason == "infra_error"
