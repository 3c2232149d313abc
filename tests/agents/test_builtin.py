"""The built-in loop: each budget stops exactly where it says, and nothing used is lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.tools import Tool

from assay.agents.builtin import BuiltinAgent
from assay.agents.protocol import AgentResult, Order
from assay.agents.toolbox import Toolbox
from assay.budgets import LOOP_AFTER, ToolPolicy
from assay.config import Budgets
from assay.prompts import PromptVersion
from assay.records import RunKey, RunScope
from assay.store.journal import Journal
from assay.store.tape import Tape, read_tapes
from tests.fakes.sources import FakeSource, calls, says

PROMPT = PromptVersion("support", "v1", "Answer.", "support:v1:000000000000")


class Desk:
    """Tools that count how often each was really executed."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    def search(self, query: str) -> list[str]:
        """Search."""
        self.executed.append(query)
        return [f"about {query}"]

    async def slow(self, seconds: float) -> str:
        """Wait."""
        await asyncio.sleep(seconds)
        return "done"

    def broken(self) -> str:
        """Fail."""
        raise RuntimeError("the shard is down")

    def tools(self) -> list[Tool[Any]]:
        return [
            Tool(self.search, name="kb.search"),
            Tool(self.slow, name="slow"),
            Tool(self.broken, name="broken"),
        ]


class Bench:
    """Runs one order on a source, with a tape in a folder."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk()
        self.folder = folder
        self.key = RunKey(
            evaluation_id="e", prompt_id=PROMPT.prompt_id, golden_task_id="t", repeat=1, seed=0
        )

    async def run(
        self,
        source: FakeSource,
        *,
        budgets: Budgets | None = None,
        policy: ToolPolicy | None = None,
    ) -> AgentResult:
        agent = BuiltinAgent(
            name="builtin",
            source=source,
            toolbox=Toolbox(self.desk.tools()),
            budgets=budgets or Budgets(),
            policy=policy or ToolPolicy(),
            attempts=1,
        )
        order = Order(
            prompt=PROMPT, input="hello", scope=RunScope(key=self.key, folder=self.folder)
        )
        path = self.folder / "tapes.jsonl"
        taped = read_tapes(path, finished=()).get(self.key.run_id, ())
        with Journal(path) as journal:
            return await agent.run(order, tape=Tape(self.key.run_id, taped, journal))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def search(query: str) -> tuple[str, dict[str, object]]:
    return "kb_search", {"query": query}


async def test_a_text_without_tool_calls_finishes_the_run(bench: Bench) -> None:
    """The ordinary end; its text is the output."""
    result = await bench.run(FakeSource(calls(search("a")), says("Thirty days.")))
    assert (result.stop_reason, result.output) == ("finish", "Thirty days.")
    assert (result.steps, result.tool_calls, result.total_tokens) == (2, 1, 40)
    assert result.tool_calls_by_tool == {"kb.search": 1}


async def test_the_system_prompt_bears_the_prompt_id(bench: Bench) -> None:
    """Every run logs which prompt it ran, so that a regression can be traced to it."""
    source = FakeSource(says("hi"))
    await bench.run(source)
    system = source.model.requests[0][0].parts[0].content
    assert "[prompt_id=support:v1:000000000000]\nAnswer." in system


@pytest.mark.parametrize(
    ("budgets", "stop_reason", "executed"),
    [
        (Budgets(max_steps=3), "max_steps", 3),
        (Budgets(max_tool_calls=2), "max_tool_calls", 2),
        (Budgets(max_tokens=50), "max_tokens", 2),
        (Budgets(max_tokens=40), "max_tokens", 2),
    ],
)
async def test_each_budget_ends_in_its_own_stop_reason_and_keeps_what_was_used(
    bench: Bench, budgets: Budgets, stop_reason: str, executed: int
) -> None:
    """A stopped run is evidence: it must say what stopped it, and what it had cost."""
    replies = [calls(search(f"q{n}"), text="thinking") for n in range(30)]
    result = await bench.run(FakeSource(*replies), budgets=budgets)
    assert result.stop_reason == stop_reason
    assert len(bench.desk.executed) == executed == result.tool_calls
    assert result.total_tokens == result.steps * 20
    assert result.output == "thinking"


async def test_of_several_calls_in_one_response_only_those_within_the_budget_are_made(
    bench: Bench,
) -> None:
    """`max_tool_calls: 2` means two, also when the model asks for five at once."""
    result = await bench.run(
        FakeSource(calls(*(search(str(n)) for n in range(5)))), budgets=Budgets(max_tool_calls=2)
    )
    assert sorted(bench.desk.executed) == ["0", "1"]
    assert [call.outcome for call in result.calls] == ["success", "success", "max_tool_calls"]


async def test_the_clock_stops_a_run_in_the_middle_of_a_tool_call(bench: Bench) -> None:
    """A hung tool must not hold a run, nor an evaluation, for ever."""
    source = FakeSource(calls(("slow", {"seconds": 60})))
    result = await bench.run(source, budgets=Budgets(max_seconds=0.05))
    assert (result.stop_reason, result.steps, result.tool_calls) == ("max_seconds", 1, 1)


async def test_a_tool_outside_the_allowlist_ends_the_run_and_is_never_executed(
    bench: Bench,
) -> None:
    """An agent that reaches for a forbidden tool is out of its policy; that is the finding."""
    source = FakeSource(calls(search("a"), ("broken", {})))
    result = await bench.run(source, policy=ToolPolicy(frozenset({"broken"})))
    assert (result.stop_reason, result.denied_tool_calls, result.tool_calls) == (
        "tool_denied",
        1,
        0,
    )
    assert bench.desk.executed == []


async def test_a_tool_s_own_limit_ends_the_run(bench: Bench) -> None:
    """`send_email: 1` means that a second mail is never sent."""
    source = FakeSource(calls(search("a")), calls(search("b")))
    result = await bench.run(source, policy=ToolPolicy(max_calls={"kb.search": 1}))
    assert (result.stop_reason, bench.desk.executed) == ("tool_denied", ["a"])


async def test_the_same_call_again_and_again_is_a_loop(bench: Bench) -> None:
    """A loop would else run into its budget with nothing to say why."""
    result = await bench.run(FakeSource(calls(search("a"))))
    assert (result.stop_reason, len(bench.desk.executed)) == ("loop", LOOP_AFTER - 1)


async def test_a_tool_that_fails_is_told_to_the_model(bench: Bench) -> None:
    """What the agent makes of a failing tool is part of what is judged."""
    source = FakeSource(calls(("broken", {})), says("I could not look."))
    result = await bench.run(source)
    told = source.model.requests[1][-1].parts[0]
    assert isinstance(told, ToolReturnPart)
    assert (told.outcome, told.content) == ("failed", "RuntimeError: the shard is down")
    assert (result.stop_reason, result.calls[0].outcome) == ("finish", "failed")


@pytest.mark.parametrize("arguments", [{"quer": "a"}, {"query": 7}])
async def test_arguments_that_do_not_fit_the_schema_are_told_to_the_model(
    bench: Bench, arguments: dict[str, object]
) -> None:
    """Models misspell fields; the tool is not executed with half of its arguments."""
    source = FakeSource(calls(("kb_search", arguments)), says("sorry"))
    result = await bench.run(source)
    assert (result.calls[0].outcome, bench.desk.executed) == ("retried", [])


async def test_an_unknown_tool_is_told_to_the_model(bench: Bench) -> None:
    """A tool that the model made up is its mistake, not ours to crash on."""
    result = await bench.run(FakeSource(calls(("teleport", {})), says("sorry")))
    assert (result.stop_reason, result.calls[0].outcome) == ("finish", "failed")


@pytest.mark.parametrize(
    ("error", "stop_reason"),
    [
        (ModelHTTPError(503, "m"), "infra_error"),
        (ModelHTTPError(429, "m"), "infra_error"),
        (ConnectionResetError("gone"), "infra_error"),
        (ModelHTTPError(400, "m"), "agent_error"),
        (UnexpectedModelBehavior("nonsense"), "agent_error"),
    ],
)
async def test_a_failed_request_is_a_row_with_what_was_used_before_it(
    bench: Bench, error: Exception, stop_reason: str
) -> None:
    """The outside world's failure is data: counted apart, and never a crash."""
    result = await bench.run(FakeSource(calls(search("a")), error))
    assert (result.stop_reason, result.steps, result.total_tokens) == (stop_reason, 1, 20)
    assert result.error is not None
    assert type(error).__name__ in result.error


async def test_an_answer_may_be_no_longer_than_the_token_budget_still_allows(bench: Bench) -> None:
    """A budget that is only looked at afterwards is overrun by a whole answer."""
    source = FakeSource(calls(search("a")), says("done"))
    await bench.run(source, budgets=Budgets(max_tokens=100))
    assert [settings["max_tokens"] for settings in source.model.settings_seen] == [100, 80]


@pytest.mark.parametrize("cut", range(6))
async def test_an_interrupted_run_goes_on_without_asking_or_calling_twice(
    bench: Bench, cut: int
) -> None:
    """What was paid for before a kill is not paid for again, and the end is the same."""
    replies = [calls(search("a"), search("b")), calls(search("c")), says("done")]
    whole = await bench.run(FakeSource(*replies))
    tape = bench.folder / "tapes.jsonl"
    lines = tape.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6  # 3 responses, 3 tool results
    tape.write_bytes(b"".join(lines[:cut]))
    bench.desk.executed.clear()

    source = FakeSource(*replies)
    resumed = await bench.run(source)
    assert len(source.model.requests) + len(bench.desk.executed) == 6 - cut
    assert without_time(resumed) == without_time(whole)


def without_time(result: AgentResult) -> dict[str, object]:
    names = set(AgentResult.__dataclass_fields__) - {"latency_s"}
    return {name: getattr(result, name) for name in names}
