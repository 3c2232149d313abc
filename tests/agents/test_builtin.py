"""The built-in loop: each budget stops exactly where it says, and nothing used is lost."""

import pytest
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import ToolReturnPart

from assay.agents.toolbox import ToolsGone
from assay.budgets import LOOP_AFTER
from assay.config import Budgets
from tests.fakes.loop import Bench, search, without_time
from tests.fakes.sources import FakeSource, calls, says


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


async def test_a_tool_that_is_gone_for_good_ends_the_run_as_an_outage(bench: Bench) -> None:
    """A prompt must not be judged by what its tools' server did."""
    bench.desk.broken = gone  # type: ignore[method-assign]
    result = await bench.run(FakeSource(calls(search("a"), ("broken", {})), says("done")))
    assert (result.stop_reason, result.error) == ("infra_error", "the server is down")
    assert bench.desk.executed == ["a"]


def gone() -> str:
    """Fail."""
    raise ToolsGone("the server is down")


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


async def test_an_error_that_cannot_be_told_is_a_tool_s_failure_too(bench: Bench) -> None:
    """Its text is the tool's own code: what goes wrong in it must not end the evaluation."""

    class Wordless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def broken() -> str:
        raise Wordless

    bench.desk.broken = broken  # type: ignore[method-assign]
    result = await bench.run(FakeSource(calls(("broken", {})), says("sorry")))
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


async def test_an_answer_without_sense_has_cost_nobody_knows_what(bench: Bench) -> None:
    """It was answered, and perhaps paid for: what is not known is not 0."""
    rubbish = UnexpectedModelBehavior("nonsense")
    result = await bench.run(FakeSource(calls(search("a")), rubbish))
    assert (result.stop_reason, result.steps, result.total_tokens) == ("agent_error", 2, None)
    assert "UnexpectedModelBehavior: nonsense" in (result.error or "")


async def test_an_answer_of_a_tool_is_bounded(bench: Bench) -> None:
    """50 MB would go to the model with every request that follows, and hold up all other runs."""
    bench.desk.broken = lambda: "x" * 2_000_000  # type: ignore[method-assign]
    source = FakeSource(calls(("broken", {})), says("I could not look."))
    result = await bench.run(source)
    told = source.model.requests[1][-1].parts[0]
    assert isinstance(told, ToolReturnPart)
    assert told.content == "The answer has 2,000,002 bytes; 1,000,000 are taken."
    assert (result.stop_reason, result.calls[0].outcome) == ("finish", "failed")


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
