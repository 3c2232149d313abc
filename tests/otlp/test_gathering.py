"""What becomes of spans, in whatever order, number and time they come."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.models.prices import PriceTable
from assay.models.span_prices import price_span
from assay.otlp.decoding import from_object
from assay.otlp.gathering import Bounds, Gathering
from assay.prompts.run import END, reported_columns
from tests.otlp.spans import Json, a_run, agent, chat, request, span, tool

ID = "support:v13:50af3e26c3af"


def gathering(**bounds: Any) -> Gathering:
    return Gathering(resolve={"support:v13": ID}.get, bounds=Bounds(**bounds))


def add(to: Gathering, spans: list[Json], *, now: float = 0.0) -> None:
    for each in from_object(request(spans)).spans:
        to.add(each, now=now)


def rows(of: Gathering, *, now: float = 1e4) -> list[dict[str, Any]]:
    return sorted((run.columns for run in of.ready(now=now)), key=lambda row: str(row["run_id"]))


def row(*spans: Json) -> dict[str, Any]:
    found = gathering()
    add(found, list(spans))
    (one,) = rows(found)
    return one


def test_a_run_has_the_columns_that_the_client_writes() -> None:
    """Whoever reads a run log must not have to know who wrote it."""
    run = row(*a_run())
    about = (
        "event", "run_id", "golden_task_id", "category", "agent", "model", "prompt_id",
        "prompt_name", "prompt_version", "started_at", "ended_at", "latency_s",
    )  # fmt: skip
    assert list(run) == [*about, *reported_columns({})]
    assert run["event"] == END
    assert (run["prompt_id"], run["prompt_version"], run["agent"]) == (ID, "v13", "desk")
    assert (run["input_tokens"], run["output_tokens"], run["total_tokens"]) == (300, 30, 330)
    assert (run["steps"], run["tool_calls"], run["tool_calls_by_tool"]) == (3, 1, {"kb_search": 1})
    assert (run["stop_reason"], run["model"], run["latency_s"]) == ("finish", "small-1", 9.0)
    assert run["ended_at"] == "2026-09-21T14:13:29.000000Z"


SPANS = [*a_run(1), *a_run(2), chat(1, parent=None, trace=3), chat(5, parent=77, trace=4)]
"""Two agents' runs, a trace without an agent, and one whose beginning never comes."""


@given(st.permutations([*SPANS, *SPANS]), st.integers(0, len(SPANS)))
def test_the_runs_are_the_same_in_every_order_and_however_often_spans_come(
    spans: list[Json], cut: int
) -> None:
    """Exporters send in batches, children before their parents, and again after a lost answer."""
    plain, mixed = gathering(), gathering()
    add(plain, SPANS)
    add(mixed, spans[:cut], now=0.0)
    early = list(mixed.ready(now=5.0))
    add(mixed, spans[cut:], now=6.0)
    assert not early
    assert rows(mixed) == rows(plain)
    assert mixed.counts["spans that came again"] == len(SPANS)


@given(st.permutations(SPANS))
def test_what_comes_after_its_run_was_written_makes_no_second_run(late: list[Json]) -> None:
    """A retry after ten minutes would else be counted, and paid, twice."""
    found = gathering()
    add(found, SPANS)
    assert len(rows(found, now=1e4)) == 4
    add(found, late, now=2e4)
    assert rows(found, now=3e4) == []
    assert found.counts["spans that came after their run was written"] == len(SPANS)


def test_a_trace_goes_on_with_further_runs() -> None:
    """One trace for a whole session is common; its second run is no late span."""
    found = gathering()
    add(found, a_run())
    assert len(rows(found, now=20.0)) == 1
    add(found, [agent(20, end=25), chat(21, parent=20, tokens=7)], now=30.0)
    (second,) = rows(found, now=50.0)
    assert (second["input_tokens"], second["steps"]) == (7, 1)


def test_a_run_waits_for_a_parent_that_has_not_come() -> None:
    """An agent's span is sent when it ends: its children alone are not yet the run."""
    found = gathering(settle_s=10, unfinished_s=300)
    add(found, a_run()[1:])
    assert rows(found, now=299.0) == []
    (run,) = rows(found, now=300.0)
    assert (run["stop_reason"], run["prompt_id"]) == ("unfinished", None)
    assert found.counts["runs without prompt_id"] == 1
    add(found, a_run()[:1], now=301.0)
    assert rows(found) == []


def test_a_parent_in_another_process_is_not_waited_for() -> None:
    """A gateway whose spans go elsewhere is above most agents."""
    found = gathering(settle_s=10)
    add(found, [agent(parent=50, flags=0x301), chat(1)])
    assert len(rows(found, now=10.0)) == 1


def test_the_traces_of_a_conversation_without_an_agent_are_one_run() -> None:
    """Where nothing carries the trace from one request to the next, the conversation does."""
    said = {"gen_ai.conversation.id": "c-1"}
    found = gathering()
    add(found, [chat(n, parent=None, trace=n, attributes=said) for n in (1, 2, 3)])
    (run,) = rows(found)
    assert (run["steps"], run["input_tokens"], run["latency_s"]) == (3, 300, 3.0)


@pytest.mark.parametrize(
    ("attributes", "prompt_id"),
    [
        ({"gen_ai.prompt.name": "support", "gen_ai.prompt.version": "v13"}, ID),
        ({"gen_ai.prompt.name": "support", "gen_ai.prompt.version": "support:v13"}, ID),
        ({"gen_ai.prompt.name": "support", "gen_ai.prompt.version": "v99"}, None),
        ({"gen_ai.prompt.name": "support"}, None),
        ({"assay.prompt.id": "other:v1:0123456789ab"}, "other:v1:0123456789ab"),
    ],
)
def test_the_prompt_is_told_by_its_id_or_else_looked_up(
    attributes: Json, prompt_id: str | None
) -> None:
    """A guess would put a run on the wrong prompt's account."""
    run = row(span(0, "invoke_agent", end=9), chat(1, attributes=attributes))
    assert run["prompt_id"] == prompt_id


def test_older_names_say_the_same() -> None:
    """Instrumentations change their names years after the conventions do."""
    old = {"gen_ai.usage.prompt_tokens": 70, "gen_ai.usage.completion_tokens": 7}
    run = row(agent(), span(1, "chat", parent=0, attributes=old))
    assert run["total_tokens"] == 77


def test_tokens_are_counted_once_where_requests_are_told_twice() -> None:
    """A framework and the provider's client both make a span of the same request."""
    assert row(agent(), chat(1), chat(2, parent=1))["input_tokens"] == 100
    own = {"gen_ai.usage.input_tokens": 100}
    assert row(agent(attributes=own), chat(1))["input_tokens"] == 100
    assert row(agent(attributes=own))["input_tokens"] == 100


def test_tool_calls_without_spans_are_not_known() -> None:
    """Zero calls would look like an improvement."""
    wants = {"gen_ai.response.finish_reasons": ["tool_calls"]}
    assert row(agent(), chat(1, attributes=wants))["tool_calls"] is None
    assert row(agent(), chat(1))["tool_calls"] == 0
    assert row(agent(), chat(1, attributes=wants), tool(2))["tool_calls"] == 1


@pytest.mark.parametrize(
    ("more", "stop_reason"),
    [
        ({"status": {"code": 2}}, "agent_error"),
        ({"attributes": {"assay.stop_reason": "loop"}}, "loop"),
        ({}, "max_tokens"),
    ],
)
def test_a_run_ends_as_its_spans_say(more: Json, stop_reason: str) -> None:
    """Errors and cut answers are what a canary is watched for."""
    cut = {"gen_ai.response.finish_reasons": ["length"]}
    assert row(agent(**more), chat(1, attributes=cut))["stop_reason"] == stop_reason


def test_what_a_run_cost_is_said_or_follows_from_prices() -> None:
    """The conventions have no spend; a part of the requests would say too little."""

    def cost(*spans: Json) -> float | None:
        found = Gathering(
            resolve={}.get, bounds=Bounds(), price=partial(price_span, table=PriceTable())
        )
        add(found, [agent(), *spans])
        (run,) = rows(found)
        return run["spend_usd"]

    bought = {"gen_ai.system": "openai", "gen_ai.response.model": "gpt-4o-mini"}
    one = cost(chat(1, tokens=1_000_000, attributes=bought))
    assert one == pytest.approx(0.15, rel=0.01)
    assert cost(chat(1, attributes=bought), chat(2)) is None
    assert cost(chat(1, attributes={**bought, "assay.spend_usd": 7.5})) == 7.5


def test_no_more_is_kept_than_may_be() -> None:
    """A flood of traces must not take the machine's memory; what is written early is said."""
    found = gathering(max_traces=5, max_spans_of_trace=3)
    for trace in range(1, 9):
        add(found, [chat(1, parent=9, trace=trace)], now=float(trace))
    early = rows(found, now=9.0)
    assert [found.n_waiting, len(early)] == [5, 3]
    assert {run["run_id"] for run in early} == {f"{trace:032x}" for trace in (1, 2, 3)}
    (first, *_) = from_object(request([chat(9)])).spans
    assert [found.add(first, now=9.0)] == [True]
    for number in (10, 11, 12):
        (one,) = from_object(request([chat(number)])).spans
        taken = found.add(one, now=9.0)
    assert not taken


def test_at_the_end_only_whole_runs_are_written() -> None:
    """After a restart the rest comes to the next process: a half would be written there, too."""
    found = gathering()
    add(found, [*a_run(1), chat(1, trace=2)])
    assert [run.columns["steps"] for run in found.close()] == [3]
    assert found.counts["traces let go at the end: spans were to come"] == 1


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=9))
def test_any_shape_of_a_trace_is_read(parents: list[tuple[int, int]]) -> None:
    """Circles, spans above themselves and forests are what a broken exporter sends."""
    found = gathering()
    add(found, [chat(number, parent=parent) for number, parent in parents])
    add(found, [agent(number, parent=parent) for parent, number in parents])
    assert sum(run["steps"] or 0 for run in rows(found)) <= len(parents)


def test_a_long_chain_of_spans_is_read() -> None:
    """One below the other, ten thousand deep: neither recursion nor quadratic time."""
    deep = [span(n, "other", parent=n - 1 if n else None) for n in range(9_999)]
    assert row(*deep, chat(9_999, parent=9_998))["steps"] == 1
