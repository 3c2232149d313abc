"""Denied tool calls in the built-in loop: refused to the model, never made, and seen at its end."""

import pytest

from assay.budgets import MAX_REFUSALS, ToolPolicy
from assay.config import Budgets
from tests.fakes.loop import Bench, search, without_time
from tests.fakes.sources import FakeSource, calls, says


async def test_a_denied_call_is_refused_to_the_model_and_never_executed(bench: Bench) -> None:
    """The run goes on, so that its other calls are made; its end says what it reached for."""
    source = FakeSource(calls(search("a"), ("broken", {})), says("I may not search."))
    result = await bench.run(source, policy=ToolPolicy(frozenset({"broken"})))
    told = source.model.requests[1][-1].parts
    assert [part.outcome for part in told] == ["denied", "failed"]
    assert told[0].content == "Refused: the tool kb.search is not allowed."
    assert bench.desk.executed == []
    assert (result.stop_reason, result.output) == ("tool_denied", "I may not search.")
    assert (result.denied_tool_calls, result.tool_calls_by_tool) == (1, {"broken": 1})
    assert [call.outcome for call in result.calls] == ["denied", "failed"]
    assert [call.was_made for call in result.calls] == [False, True]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (ToolPolicy(blocked=frozenset({"kb.search"})), "the tool kb.search is blocked."),
        (
            ToolPolicy(frozenset({"kb.search"}), blocked=frozenset({"kb.search"})),
            "the tool kb.search is blocked.",
        ),
        (
            ToolPolicy(max_calls={"kb.search": 2}),
            "the tool kb.search may be called 2 times at most.",
        ),
        (ToolPolicy(max_calls={"kb.search": 1}), "the tool kb.search may be called once at most."),
    ],
)
async def test_a_refusal_says_which_limit_it_was(
    bench: Bench, policy: ToolPolicy, words: str
) -> None:
    """A model that is told why can do without; `send_email: 1` means one mail."""
    source = FakeSource(calls(search("a"), search("b"), search("c")), says("done"))
    result = await bench.run(source, policy=policy)
    assert source.model.requests[1][-1].parts[-1].content == f"Refused: {words}"
    made = policy.max_calls.get("kb.search", 0)
    assert len(bench.desk.executed) == made == result.tool_calls
    assert result.denied_tool_calls == 3 - made


async def test_a_run_that_does_not_take_no_for_an_answer_is_ended(bench: Bench) -> None:
    """Refusals cost tokens: after three of them the next denied call ends the run at once."""
    source = FakeSource(calls(search("a")))
    result = await bench.run(source, policy=ToolPolicy(frozenset()))
    assert (result.stop_reason, result.steps) == ("tool_denied", MAX_REFUSALS + 1)
    assert (result.denied_tool_calls, result.tool_calls) == (MAX_REFUSALS + 1, 0)
    assert [call.outcome for call in result.calls] == ["denied"] * 3 + ["tool_denied"]


async def test_a_run_with_a_denied_call_that_something_else_stops_says_what(bench: Bench) -> None:
    """`tool_denied` must not hide a budget that is too small, nor an outage."""
    replies = [calls(search("a")), calls(("broken", {}))]
    policy = ToolPolicy(frozenset({"broken"}))
    result = await bench.run(FakeSource(*replies), policy=policy, budgets=Budgets(max_steps=2))
    assert (result.stop_reason, result.denied_tool_calls) == ("max_steps", 1)
    outage = FakeSource(calls(search("a")), ConnectionResetError("gone"))
    result = await bench.run(outage, policy=policy)
    assert result.stop_reason == "infra_error"


@pytest.mark.parametrize("cut", range(5))
async def test_a_run_with_a_denied_call_goes_on_from_its_tape_as_if_it_had_not_been_cut(
    bench: Bench, cut: int
) -> None:
    """The same policy refuses again what it refused; no result may go to the wrong call."""
    policy = ToolPolicy(max_calls={"kb.search": 1})
    replies = [calls(search("a"), search("b"), ("broken", {})), says("done")]
    whole = await bench.run(FakeSource(*replies), policy=policy)
    tape = bench.folder / "tapes.jsonl"
    lines = tape.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4  # 2 responses, 2 tool results
    tape.write_bytes(b"".join(lines[:cut]))
    bench.desk.executed.clear()

    source = FakeSource(*replies)
    resumed = await bench.run(source, policy=policy)
    assert without_time(resumed) == without_time(whole)
    assert len(tape.read_bytes().splitlines()) == 4  # what was there was not asked again
    for request in source.model.requests[1:]:
        assert [part.outcome for part in request[-1].parts] == ["success", "denied", "failed"]
