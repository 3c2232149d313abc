"""What harnesses call the columns of their run logs: ours, and the names to look for."""

from collections.abc import Iterable, Mapping

GUESSES: Mapping[str, tuple[str, ...]] = {
    "prompt_id": (
        "prompt_id", "assay.prompt.id", "prompt", "prompt_version", "gen_ai.prompt.version",
        "variant", "version", "arm", "config",
    ),
    "golden_task_id": (
        "golden_task_id", "task_id", "task", "test_id", "test", "case_id", "case", "example_id",
        "sample_id", "question_id", "instance_id", "id",
    ),
    "total_tokens": (
        "total_tokens", "usage.total_tokens", "tokenUsage.total", "token_usage.total_tokens",
        "gen_ai.usage.total_tokens", "num_tokens", "n_tokens", "tokens",
    ),
    "tool_calls": (
        "tool_calls", "num_tool_calls", "n_tool_calls", "tool_call_count", "usage.tool_calls",
    ),
    "spend_usd": (
        "spend_usd", "cost_usd", "total_cost_usd", "total_cost", "agent_cost", "cost", "spend",
    ),
    "latency_s": ("latency_s", "duration_s", "elapsed_s", "latency", "duration"),
    "success": ("success", "passed", "pass", "reward", "is_correct", "correct", "resolved"),
    "stop_reason": ("stop_reason", "finish_reason", "termination_reason"),
}  # fmt: skip
"""Our column -> names to look for, the likeliest first; upper and lower case are alike."""

SUMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "total_tokens": (
        ("input_tokens", "output_tokens"),
        ("prompt_tokens", "completion_tokens"),
        ("usage.input_tokens", "usage.output_tokens"),
        ("usage.prompt_tokens", "usage.completion_tokens"),
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
    )
}
"""Our column -> pairs of columns that add up to it."""

MILLISECONDS = {"latency_s": ("latency_ms", "latencyMs", "duration_ms", "elapsed_ms")}


def all_names(ours: Iterable[str]) -> list[str]:
    """Every name that one of our columns may have in a log."""
    names: list[str] = []
    for each in ours:
        names += [*GUESSES[each], *MILLISECONDS.get(each, ())]
        names += [name for pair in SUMS.get(each, ()) for name in pair]
    return names
