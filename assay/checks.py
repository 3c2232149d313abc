"""From what a run did to whether it was a success, and which bounds it broke."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assay import trajectory
from assay.check_values import Range
from assay.golden import Check, GoldenTask
from assay.hostile import (
    Search,
    Undecided,
    bounded,
    json_objects,
    parsed_json,
    same_json,
    schema_test,
)
from assay.records import StopReason
from assay.trajectory import Observed
from assay.wording import cut

__all__ = ["Assessment", "Observed", "assess", "passes"]

MAX_CHECK_CHARS = 160
"""Of one entry of `failed_checks`."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a golden task says of one run."""

    success: bool | None
    """All checks pass and the stop_reason is the expected one; None after `infra_error`."""
    failed_checks: list[str]
    """In words for people; a check that could not be decided has failed."""
    violated_invariants: list[str]
    """Names of the task's bounds that were broken, such as `max_tokens`."""


def assess(task: GoldenTask, observed: Observed) -> Assessment:
    """Hold a run to its golden task.

    What judges have to say comes later, if the run has not failed by then. Bounds are
    counted apart: breaking one leaves `success` as it is. A bound on
    something that is not known is not broken.
    """
    if observed.stop_reason == StopReason.INFRA_ERROR:
        return Assessment(success=None, failed_checks=[], violated_invariants=[])
    plain = [check for check in task.checks if not check.is_judged]
    failed = [words for check in plain if (words := _failure(check, observed)) is not None]
    return Assessment(
        success=not failed and observed.stop_reason == task.expect_stop_reason,
        failed_checks=failed,
        violated_invariants=_broken_bounds(task, observed),
    )


def passes(check: Check, observed: Observed) -> bool:
    """Whether the run is as `check` asks.

    Raises:
        Undecided: The run does not show it, or finding out would take too long.
    """
    if check.is_inverted:
        opposite = _OPPOSITES.get(check.base)
        if opposite is not None:
            return opposite(check.expected, observed)
        return not _CHECKS[check.base](check.expected, observed)
    return _CHECKS[check.base](check.expected, observed)


def _failure(check: Check, observed: Observed) -> str | None:
    try:
        return None if passes(check, observed) else check_words(check)
    except Undecided as why:
        return f"{check_words(check)} (undecided: {why})"


def check_words(check: Check) -> str:
    """The check in words for people, bounded."""
    if "value" not in check.model_fields_set:
        return check.type
    value = check.value
    shown = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return cut(f"{check.type} {shown}", MAX_CHECK_CHARS)


def _broken_bounds(task: GoldenTask, observed: Observed) -> list[str]:
    used = {
        "max_steps": observed.steps,
        "max_tool_calls": observed.tool_calls,
        "max_tokens": observed.total_tokens,
        "max_seconds": observed.latency_s,
        "max_spend_usd": observed.spend_usd,
    }
    return [
        name
        for name, amount in used.items()
        if amount is not None and (bound := getattr(task, name)) is not None and amount > bound
    ]


def _text(observed: Observed) -> str:
    return bounded(observed.output or "")


def _equals(wanted: Any, observed: Observed) -> bool:
    text = _text(observed)
    if isinstance(wanted, str):
        return text == wanted
    try:
        return same_json(parsed_json(text), wanted)
    except ValueError:
        return False


def _contains(wanted: str, observed: Observed) -> bool:
    return wanted in _text(observed)


def _icontains(wanted: str, observed: Observed) -> bool:
    return wanted.lower() in _text(observed).lower()


def _any_of(one: Callable[[str, Observed], bool]) -> "Function":
    return lambda wanted, observed: any(one(word, observed) for word in wanted)


def _all_of(one: Callable[[str, Observed], bool]) -> "Function":
    return lambda wanted, observed: all(one(word, observed) for word in wanted)


def _starts_with(wanted: str, observed: Observed) -> bool:
    return _text(observed).startswith(wanted)


def _regex(pattern: str, observed: Observed) -> bool:
    return Search().finds(pattern, _text(observed))


def _is_json(schema: Any, observed: Observed) -> bool:
    try:
        value = parsed_json(_text(observed))
    except ValueError:
        return False
    return schema is None or schema_test(schema)(value)


def _contains_json(schema: Any, observed: Observed) -> bool:
    fits = schema_test(True if schema is None else schema)
    return any(map(fits, json_objects(_text(observed))))


def _word_count(wanted: Range, observed: Observed) -> bool:
    return wanted.holds(len(_text(observed).split()))


Function = Callable[[Any, Observed], bool]

_CHECKS: Mapping[str, Function] = {
    "equals": _equals,
    "contains": _contains,
    "icontains": _icontains,
    "contains-any": _any_of(_contains),
    "contains-all": _all_of(_contains),
    "icontains-any": _any_of(_icontains),
    "icontains-all": _all_of(_icontains),
    "regex": _regex,
    "starts-with": _starts_with,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "word-count": _word_count,
    "trajectory:tool-used": trajectory.tools_used,
    "trajectory:tool-sequence": trajectory.tool_sequence,
    "trajectory:tool-args-match": trajectory.tool_args,
    "trajectory:step-count": trajectory.step_count,
}

_OPPOSITES: Mapping[str, Function] = {"trajectory:tool-used": trajectory.no_tool_used}
"""Where `not-` is more than the inverse."""
