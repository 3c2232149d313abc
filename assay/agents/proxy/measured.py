"""From what an agent says of its run to what the proxy has counted."""

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from assay.agents.protocol import MAX_ERROR_CHARS, AgentResult
from assay.agents.proxy.counted import CountedRun
from assay.budgets import FIGURES
from assay.records import RunRecord, StopReason
from assay.wording import cut

NOT_SEEN = "unmeasured: the proxy has seen no request of this run"
DIFFERS = "the agent says"
"""How a note on other figures begins."""


def measured(said: AgentResult, run: CountedRun) -> AgentResult:
    """The run's result with the proxy's count in the place of the agent's own.

    A budget that the proxy saw used up is why the run ended, whatever the agent says. A run
    whose last request failed, or that failed after one did, is nobody's but the provider's. One
    that asked for what a replayed record does not hold ends with that.
    """
    figures = run.meter.figures if run.seen else dict.fromkeys(FIGURES)
    notes = [_difference(said, figures)] if run.seen else [NOT_SEEN]
    stop_reason, error = _ending(said, run)
    return replace(
        said,
        **figures,
        output=None if run.missing else said.output,
        tool_calls_by_tool=dict(run.meter.by_tool),
        calls=tuple(run.calls),
        stop_reason=stop_reason,
        error=error,
        attempts=max(said.attempts, run.attempts),
        notes=tuple(note for note in notes if note),
    )


def warnings_about(runs: Collection[RunRecord]) -> Iterator[str]:
    """What the runs' notes come to, once for all of them."""
    notes = [str(each["note"]) for run in runs for each in run.trace if "note" in each]
    unmeasured = notes.count(NOT_SEEN)
    differing = [note for note in notes if note.startswith(DIFFERS)]
    if unmeasured:
        yield (
            f"{unmeasured} of {len(runs)} runs sent no request through the proxy: what they used is"
            " unknown; does the agent use the base URL that it is given?"
        )
    if differing:
        yield (
            f"{len(differing)} of {len(runs)} runs report other figures than the proxy has counted;"
            f" its own are stored. In one of them, {differing[0]}"
        )


def _ending(said: AgentResult, run: CountedRun) -> tuple[str, str | None]:
    if run.missing is not None:
        return run.missing.stop_reason, run.missing.words
    if run.stop is not None:
        return run.stop, said.error
    if not run.seen:
        return said.stop_reason, said.error or NOT_SEEN
    failed = said.stop_reason == StopReason.AGENT_ERROR and run.failures
    if run.failure is not None or failed:
        words = f"the provider: {run.failure or 'a request failed'}"
        whole = f"{words}; the agent: {said.error}" if said.error else words
        return StopReason.INFRA_ERROR, cut(whole, MAX_ERROR_CHARS)
    return said.stop_reason, said.error


def _difference(said: AgentResult, figures: dict[str, Any]) -> str | None:
    """Both figures, where the agent has some of its own."""
    differing = list(_differing(said, figures))
    if not differing:
        return None
    own = ", ".join(f"{name} {mine}" for name, mine, _ in differing)
    counted = ", ".join("unknown" if each is None else f"{each}" for _, _, each in differing)
    return f"{DIFFERS} {own}; the proxy has counted {counted}"


def _differing(said: AgentResult, figures: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, counted in figures.items():
        own = getattr(said, name)
        if own is None:
            continue
        same = counted is not None and math.isclose(own, counted, rel_tol=1e-6, abs_tol=1e-9)
        if not same:
            yield name, own, counted
