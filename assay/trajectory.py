"""What a run did, and the checks on the way that it took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from assay.check_values import StepCount, ToolArgs, ToolSequence, ToolUse
from assay.hostile import Undecided, contains_json, parsed_json, same_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a run did, as far as it is known; None is unknown."""

    output: str | None
    stop_reason: str
    steps: int | None
    tool_calls: int | None
    total_tokens: int | None
    latency_s: float | None
    spend_usd: float | None
    calls: Sequence[Mapping[str, Any]] = ()
    """The tool calls in order: `tool`, and `arguments` as an object or the JSON of one."""


def tools_used(wanted: Sequence[ToolUse], observed: Observed) -> bool:
    """Whether each tool is called, as often as it should be."""
    return all(_is_used(tool, observed) for tool in wanted)


def no_tool_used(wanted: Sequence[ToolUse], observed: Observed) -> bool:
    """The opposite of `tools_used`: as in promptfoo, a list forbids each tool in it."""
    return not any(_is_used(tool, observed) for tool in wanted)


def _is_used(wanted: ToolUse, observed: Observed) -> bool:
    return wanted.holds(sum(_is_tool(call, wanted.name) for call in _calls(observed)))


def tool_sequence(wanted: ToolSequence, observed: Observed) -> bool:
    """Whether the tools are called in this order."""
    calls = _calls(observed)
    if wanted.mode == "exact":
        return len(calls) == len(wanted.steps) and all(map(_is_tool, calls, wanted.steps))
    remaining = iter(calls)
    return all(any(_is_tool(call, name) for call in remaining) for name in wanted.steps)


def tool_args(wanted: ToolArgs, observed: Observed) -> bool:
    """Whether some call of the tool has these arguments."""
    given = [_arguments(call) for call in _calls(observed) if _is_tool(call, wanted.name)]
    same = same_json if wanted.mode == "exact" else contains_json
    if any(same(arguments, wanted.args) for arguments in given):
        return True
    if None in given:
        raise Undecided("arguments of a call were cut off or are no JSON")
    return False


def step_count(wanted: StepCount, observed: Observed) -> bool:
    """Whether there are as many requests to the model, or calls of tools."""
    number = observed.steps if wanted.type is None else observed.tool_calls
    if number is None:
        raise Undecided("it was not counted")
    return wanted.holds(number)


def _calls(observed: Observed) -> Sequence[Mapping[str, Any]]:
    if observed.tool_calls is None or len(observed.calls) < observed.tool_calls:
        raise Undecided("not all tool calls were seen")
    return observed.calls


def _is_tool(call: Mapping[str, Any], name: str) -> bool:
    return fnmatchcase(str(call["tool"]).lower(), name.lower().replace("[", "[[]"))


def _arguments(call: Mapping[str, Any]) -> Any:
    """The arguments as an object; None when they cannot be known."""
    arguments = call["arguments"]
    if not isinstance(arguments, str):
        return arguments
    try:
        return parsed_json(arguments or "{}")
    except ValueError:
        return None
