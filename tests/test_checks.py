"""Checks and bounds: what counts as a success."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.checks import MAX_CHECK_CHARS, Observed, assess, passes
from assay.golden import Check, GoldenTask
from assay.hostile import Undecided

SEARCH = {"tool": "kb.search", "arguments": {"query": "returns", "limit": 3}}
READ = {"tool": "kb.read", "arguments": '{"page": "returns"}'}
MAIL = {"tool": "send_email", "arguments": {}}


def observed(output: str | None = "", **known: Any) -> Observed:
    calls = known.get("calls", ())
    facts: dict[str, Any] = {
        "output": output,
        "stop_reason": "finish",
        "steps": 3,
        "tool_calls": len(calls),
        "total_tokens": 1000,
        "latency_s": 2.0,
        "spend_usd": 0.01,
    }
    return Observed(**(facts | known))


def check(kind: str, *value: Any) -> Check:
    return Check(type=kind, value=value[0]) if value else Check(type=kind)


def task(**keys: Any) -> GoldenTask:
    return GoldenTask(**({"id": "late", "input": "Where is my parcel?"} | keys))


@pytest.mark.parametrize(
    ("kind", "value", "right", "wrong"),
    [
        ("equals", "Yes.", "Yes.", "Yes"),
        ("equals", {"a": [1, True]}, '{"a": [1.0, true]}', '{"a": [1, 1]}'),
        ("equals", [1], "[1]", "[1, 2]"),
        ("equals", {"a": 1}, ' {"a":1}\n', "not JSON"),
        ("contains", "30 days", "within 30 days.", "within 30 DAYS."),
        ("icontains", "30 Days", "within 30 DAYS.", "within 30 hours."),
        ("contains-any", ["yes", "no"], "oh no", "perhaps"),
        ("contains-all", ["yes", "no"], "yes and no", "yes"),
        ("icontains-any", ["YES", "no"], "yes", "perhaps"),
        ("icontains-all", ["YES", "no"], "yes, NO", "yes"),
        ("regex", r"\b\d+ days\b", "in 30 days", "in thirty days"),
        ("regex", "(?i)^yes", "YES sir", "oh yes"),
        ("starts-with", "Dear", "Dear customer", "My dear"),
        ("is-json", None, '{"a": 1}', "{'a': 1}"),
        ("is-json", None, "[1]", "NaN"),
        ("is-json", {"required": ["a"]}, '{"a": 1}', '{"b": 1}'),
        ("is-json", {"properties": {"a": {"pattern": "^x"}}}, '{"a": "xy"}', '{"a": "yx"}'),
        ("is-json", {"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n"}, "1", "1.5"),
        ("contains-json", None, 'Here: {"a": 1}.', "Here: [1]."),
        ("contains-json", {"required": ["a"]}, '{"b": 1} {"a": 1}', '{"b": {"a": 1}}'),
        ("contains-json", None, '{ {"a": 1}', "{ a }"),
        ("word-count", 3, " one two\nthree ", "one two"),
        ("word-count", {"min": 2, "max": 3}, "one two", "one two three four"),
        ("word-count", {"max": 1}, "", "one two"),
    ],
)
def test_a_check_of_the_output_tells_right_from_wrong(
    kind: str, value: Any, right: str, wrong: str
) -> None:
    """The names are promptfoo's; so must be what they mean."""
    given_check = check(kind) if value is None else check(kind, value)
    assert passes(given_check, observed(right))
    assert not passes(given_check, observed(wrong))


@pytest.mark.parametrize(
    ("kind", "value", "right", "wrong"),
    [
        ("tool-used", "kb.search", [SEARCH], [READ]),
        ("tool-used", "KB.*", [SEARCH], [MAIL]),
        ("tool-used", ["kb.search", "kb.read"], [READ, SEARCH], [SEARCH]),
        ("tool-used", {"name": "kb.search", "max": 1}, [SEARCH], [SEARCH, SEARCH]),
        ("tool-used", {"name": "kb.search", "min": 2}, [SEARCH, SEARCH], [SEARCH]),
        ("tool-used", {"name": "kb.search", "min": 0, "max": 0}, [READ], [SEARCH]),
        ("tool-sequence", ["kb.search", "send_email"], [SEARCH, READ, MAIL], [MAIL, SEARCH]),
        ("tool-sequence", ["kb.search", "kb.search"], [SEARCH, SEARCH], [SEARCH]),
        (
            "tool-sequence",
            {"steps": ["kb.search", "kb.read"], "mode": "exact"},
            [SEARCH, READ],
            [SEARCH, READ, MAIL],
        ),
        (
            "tool-args-match",
            {"name": "kb.search", "args": {"query": "returns"}},
            [READ, SEARCH],
            [READ],
        ),
        (
            "tool-args-match",
            {"name": "kb.*", "args": {"page": "returns"}},
            [SEARCH, READ],
            [SEARCH],
        ),
        (
            "tool-args-match",
            {"name": "kb.read", "args": {"page": "returns"}, "mode": "exact"},
            [READ],
            [{"tool": "kb.read", "arguments": {"page": "returns", "part": 2}}],
        ),
        ("step-count", {"type": "tool", "min": 2}, [SEARCH, READ], [SEARCH]),
    ],
)
def test_a_check_of_the_way_tells_right_from_wrong(
    kind: str, value: Any, right: list[Any], wrong: list[Any]
) -> None:
    """The right answer by the wrong way is tomorrow's incident."""
    assert passes(check(f"trajectory:{kind}", value), observed(calls=right))
    assert not passes(check(f"trajectory:{kind}", value), observed(calls=wrong))


def test_steps_without_a_type_are_requests_to_the_model() -> None:
    """One word, one idea: `max_steps` counts the same."""
    assert passes(check("trajectory:step-count", {"max": 3}), observed(steps=3))
    assert not passes(check("trajectory:step-count", {"max": 3}), observed(steps=4))


def test_a_list_of_forbidden_tools_forbids_each() -> None:
    """An agent that sends mail must not pass because it did not also refund."""
    forbidden = check("not-trajectory:tool-used", ["send_email", "refund"])
    assert passes(forbidden, observed(calls=[SEARCH]))
    assert not passes(forbidden, observed(calls=[SEARCH, MAIL]))


words = st.sampled_from(["yes", "no", "30 days", "{", "}", '{"a": 1}', "[1]", " ", "YES", "\n"])
outputs = st.lists(words, max_size=6).map("".join) | st.text()
tools = st.lists(st.sampled_from([SEARCH, READ, MAIL]), max_size=4)
checks = st.sampled_from(
    [
        ("equals", "yes"),
        ("equals", {"a": 1}),
        ("contains", "no"),
        ("icontains", "yes"),
        ("contains-any", ["yes", "no"]),
        ("contains-all", ["yes", "no"]),
        ("icontains-any", ["YES", "no"]),
        ("icontains-all", ["YES", "no"]),
        ("regex", r"\d+ days$"),
        ("starts-with", "yes"),
        ("is-json",),
        ("is-json", {"type": "object"}),
        ("contains-json",),
        ("contains-json", {"required": ["b"]}),
        ("word-count", {"min": 1, "max": 3}),
        ("trajectory:tool-used", "kb.search"),
        ("trajectory:tool-used", {"name": "kb.read", "max": 1}),
        ("trajectory:tool-sequence", ["kb.search", "kb.read"]),
        ("trajectory:tool-args-match", {"name": "kb.read", "args": {"page": "returns"}}),
        ("trajectory:step-count", {"type": "tool", "max": 2}),
    ]
)


@given(checks, outputs, tools)
def test_not_inverts_every_check(
    wanted: tuple[Any, ...], output: str, calls: list[dict[str, Any]]
) -> None:
    """Exactly one of a check and its opposite passes, on any run."""
    kind, *value = wanted
    seen = observed(output, calls=calls)
    assert passes(check(kind, *value), seen) is not passes(check(f"not-{kind}", *value), seen)


def test_success_is_all_checks_and_the_expected_stop() -> None:
    """Each alone is half a promise."""
    wanted = task(checks=[{"type": "icontains", "value": "30 days"}], expect_stop_reason="finish")
    assert assess(wanted, observed("30 days")).success is True
    assert assess(wanted, observed("30 hours")).success is False
    assert assess(wanted, observed("30 days", stop_reason="max_steps")).success is False
    assert assess(task(), observed(None)).success is True


def test_a_budget_stop_that_was_expected_is_a_success() -> None:
    """A task may test that the budget holds."""
    wanted = task(expect_stop_reason="max_tool_calls")
    assert assess(wanted, observed(None, stop_reason="max_tool_calls")).success is True


def test_a_run_lost_to_the_infrastructure_says_nothing() -> None:
    """A rate limit is no failure of the prompt, and no success either."""
    wanted = task(checks=[{"type": "contains", "value": "x"}], max_tokens=1)
    lost = assess(wanted, observed(None, stop_reason="infra_error"))
    assert (lost.success, lost.failed_checks, lost.violated_invariants) == (None, [], [])


def test_failed_checks_are_named_for_people() -> None:
    """They stand in the report beside the output."""
    wanted = task(
        checks=[
            {"type": "icontains", "value": "30 days"},
            {"type": "not-contains-any", "value": ["sorry", "é"]},
            {"type": "is-json"},
            {"type": "contains", "value": "so"},
        ]
    )
    assert assess(wanted, observed("so sorry")).failed_checks == [
        "icontains '30 days'",
        'not-contains-any ["sorry", "é"]',
        "is-json",
    ]


def test_the_name_of_a_failed_check_is_bounded() -> None:
    """A JSON Schema of a page does not belong into every row."""
    (name,) = assess(
        task(checks=[{"type": "equals", "value": "x" * 1000}]), observed()
    ).failed_checks
    assert len(name) == MAX_CHECK_CHARS
    assert name.endswith("…")


BOUNDS = {
    "max_steps": "steps",
    "max_tool_calls": "tool_calls",
    "max_tokens": "total_tokens",
    "max_seconds": "latency_s",
    "max_spend_usd": "spend_usd",
}


@pytest.mark.parametrize(("bound", "metric"), BOUNDS.items())
def test_a_bound_is_broken_above_it_and_counted_apart_from_success(bound: str, metric: str) -> None:
    """A right answer that costs too much is right, and costs too much."""
    wanted = task(**{bound: 5})
    assert assess(wanted, observed(**{metric: 5})).violated_invariants == []
    broken = assess(wanted, observed(**{metric: 6}))
    assert broken.violated_invariants == [bound]
    assert broken.success is True


@pytest.mark.parametrize(("bound", "metric"), BOUNDS.items())
def test_a_bound_on_what_is_not_known_is_not_broken(bound: str, metric: str) -> None:
    """Unknown is neither 0 nor too much."""
    assert assess(task(**{bound: 5}), observed(**{metric: None})).violated_invariants == []


@pytest.mark.parametrize("prefix", ["", "not-"])
@pytest.mark.parametrize(
    ("kind", "value", "seen"),
    [
        ("contains", "x", observed("x" * 200_001)),
        ("regex", "(a|aa)+$", observed("a" * 1000 + "!")),
        ("is-json", {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, observed("1")),
        ("equals", {"a": 1}, observed("[" * 100_000)),
        ("trajectory:tool-used", "kb.search", observed(tool_calls=None)),
        ("trajectory:tool-used", "kb.search", observed(calls=[READ], tool_calls=2)),
        ("trajectory:step-count", {"max": 3}, observed(steps=None)),
        (
            "trajectory:tool-args-match",
            {"name": "kb.read", "args": {"page": "x"}},
            observed(calls=[{"tool": "kb.read", "arguments": '{"page": "retu'}]),
        ),
    ],
)
def test_what_cannot_be_decided_fails_with_and_without_not(
    prefix: str, kind: str, value: Any, seen: Observed
) -> None:
    """An output made to break the check must not pass `not-contains` for it."""
    wanted = task(checks=[{"type": prefix + kind, "value": value}])
    judged = assess(wanted, seen)
    assert judged.success is False
    assert "(undecided: " in judged.failed_checks[0]


def test_arguments_that_were_cut_off_do_not_hide_a_call_that_matches() -> None:
    """One call that matches is enough, whatever the others were."""
    cut_off = {"tool": "kb.read", "arguments": '{"page": "retu'}
    wanted = check("trajectory:tool-args-match", {"name": "kb.read", "args": {"page": "returns"}})
    assert passes(wanted, observed(calls=[cut_off, READ]))
    with pytest.raises(Undecided):
        passes(wanted, observed(calls=[cut_off]))


def test_a_task_goes_to_a_worker_and_back() -> None:
    """Checks are used in other processes than the one that read them."""
    wanted = task(checks=[{"type": "word-count", "value": 2}])
    again = GoldenTask.model_validate_json(wanted.model_dump_json())
    assert again == wanted
    assert again.hash == wanted.hash
    assert assess(again, observed("one two")).success is True
    assert json.loads(wanted.model_dump_json())["checks"] == [{"type": "word-count", "value": 2}]
