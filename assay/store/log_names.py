"""What harnesses call the columns of their run logs: ours, and the names to look for.

Written as most harnesses write them; `toolCalls`, `tool-calls` and `Tool Calls` are `tool_calls`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from assay.errors import InputError
from assay.wording import one_line

GUESSES: Mapping[str, tuple[str, ...]] = {
    "prompt_id": (
        "prompt_id", "assay.prompt.id", "prompt", "prompt_version", "gen_ai.prompt.version",
        "prompt_name", "variant", "version", "arm", "condition", "config",
    ),
    "golden_task_id": (
        "golden_task_id", "task_id", "task", "task_name", "test_id", "test", "case_id", "case",
        "scenario_id", "scenario", "example_id", "sample_id", "question_id", "problem_id",
        "instance_id", "id",
    ),
    "total_tokens": (
        "total_tokens", "usage.total_tokens", "token_usage.total", "token_usage.total_tokens",
        "gen_ai.usage.total_tokens", "tokens_total", "num_tokens", "n_tokens", "tokens_used",
        "tokens",
    ),
    "tool_calls": (
        "tool_calls", "num_tool_calls", "n_tool_calls", "tool_call_count", "total_tool_calls",
        "usage.tool_calls",
    ),
    "spend_usd": (
        "spend_usd", "cost_usd", "total_cost_usd", "llm_cost_usd", "total_cost", "agent_cost",
        "cost", "spend",
    ),
    "latency_s": (
        "latency_s", "duration_s", "elapsed_s", "wall_s", "wall_time_s", "wall_clock_s",
        "latency_seconds", "duration_seconds", "elapsed_seconds", "wall_seconds",
        "wall_time_seconds", "latency", "duration",
    ),
    "success": (
        "success", "passed", "pass", "reward", "is_correct", "correct", "resolved", "solved",
        "is_success", "score",
    ),
    "stop_reason": ("stop_reason", "finish_reason", "termination_reason"),
}  # fmt: skip
"""Our column -> names to look for, the likeliest first."""

OF_PRODUCTION: Mapping[str, tuple[str, ...]] = {
    "run_id": ("run_id", "trace_id", "session_id", "conversation_id", "request_id"),
    "started_at": ("started_at", "start_time", "started", "timestamp", "time", "ts", "date"),
    "ended_at": ("ended_at", "end_time", "finished_at", "completed_at", "ended"),
}
"""The same of what only a production log must say."""
CATEGORY = ("category", "intent", "topic", "task_type", "request_type")
"""What kind of request a run answered."""
PRODUCTION = (
    "prompt_id", "run_id", "stop_reason", "started_at", "ended_at", "total_tokens", "tool_calls",
    "spend_usd", "latency_s", "success",
)  # fmt: skip
"""What is read of a production log."""

SUMS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "total_tokens": (
        (
            "usage.input_tokens", "usage.output_tokens", "usage.cache_read_input_tokens",
            "usage.cache_creation_input_tokens",
        ),
        ("input_tokens", "output_tokens"),
        ("prompt_tokens", "completion_tokens"),
        ("tokens_input", "tokens_output"),
        ("tokens_in", "tokens_out"),
        ("total_input_tokens", "total_output_tokens"),
        ("n_input_tokens", "n_output_tokens"),
        ("usage.input_tokens", "usage.output_tokens"),
        ("usage.prompt_tokens", "usage.completion_tokens"),
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
    )
}  # fmt: skip
"""Our column -> columns that add up to it; of cached tokens none are where none are given."""

MILLISECONDS = {
    "latency_s": ("latency_ms", "duration_ms", "elapsed_ms", "wall_ms", "wall_time_ms"),
}  # fmt: skip

CONVERSATIONS = {"tool_calls": ("messages", "traj", "trajectory", "conversation")}
"""Our column -> lists of messages in which to count it."""

ANYWHERE = ("total_tokens", "tool_calls", "spend_usd", "latency_s", "success")
"""Looked for inside of objects, too: `agent.cost_usd`, `metrics.total_tokens`."""


def key(name: str) -> str:
    """The same for all ways to write a name: `toolCalls`, `tool_calls`, `Tool Calls`.

    >>> key("Usage.totalTokens") == key("usage.total_tokens")
    True
    """
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def leaf(name: str) -> str:
    """The key of the last part of a nested name; empty where it is not nested.

    >>> leaf("agent.cost_usd"), leaf("cost_usd")
    ('costusd', '')
    """
    before, dot, last = name.rpartition(".")
    return key(last) if before and dot else ""


def likeliest(wanted: Iterable[str], names: Iterable[str]) -> Iterator[str]:
    """The names that are wanted, in whatever way they are written, the most wanted first.

    >>> list(likeliest(("category", "task_type"), ["taskType", "Category", "id"]))
    ['Category', 'taskType']
    """
    there = {key(name): name for name in reversed(list(names))}
    return (there[key(each)] for each in wanted if key(each) in there)


def guesses(ours: str) -> tuple[str, ...]:
    """Names to look for, the likeliest first."""
    return GUESSES.get(ours) or OF_PRODUCTION[ours]


def all_names(ours: Iterable[str]) -> list[str]:
    """Every name that one of our columns may have in a log, conversations aside."""
    names: list[str] = []
    for each in ours:
        names += [*guesses(each), *MILLISECONDS.get(each, ())]
        names += [name for parts in SUMS.get(each, ()) for name in parts]
    return names


def named_columns(pairs: Iterable[str], *, of: Collection[str]) -> dict[str, str]:
    """`--column category=intent`, as often as it is given: our column -> the log's.

    Raises:
        InputError: One has no `=`, or names none of our columns `of` a log.
    """
    named = dict(pair.partition("=")[::2] for pair in pairs)
    for ours, theirs in named.items():
        if ours not in of or not theirs:
            raise InputError(
                f"--column {one_line(ours)}={one_line(theirs)} names no column of ours",
                mend=f"write OURS=THEIRS with one of: {', '.join(of)}",
            )
    return named
