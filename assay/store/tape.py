"""The tapes of an evaluation: what its runs exchanged with models and tools, as it happened.

A killed run goes on from its tape, so that no request that was paid for is made twice.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assay.store.journal import Journal, read_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One finished exchange of a run with the model or a tool: a line of the tape."""

    step: int
    """0-based number of the model's response in its run."""
    call: int | None
    """0-based number of the tool call within that response; None for the response itself."""
    message: bytes
    """The model's response, or the tool's return part, as JSON."""
    elapsed_s: float
    """Seconds that the run had used when the exchange was over."""
    attempts: int = 1
    """Requests that it took, with retries."""


@dataclass(frozen=True, slots=True)
class Tape:
    """One run's exchanges: those of an interrupted attempt at it, and where to add more."""

    run_id: str
    recorded: Sequence[Exchange]
    _journal: Journal

    def record(self, exchange: Exchange) -> None:
        """Keep one more exchange; when this returns it survives a kill of the process."""
        self._journal.append(
            {
                "run_id": self.run_id,
                "step": exchange.step,
                "call": exchange.call,
                "elapsed_s": exchange.elapsed_s,
                "attempts": exchange.attempts,
                "message": orjson.Fragment(exchange.message),
            }
        )


def read_tapes(path: Path, *, finished: Collection[str]) -> dict[str, list[Exchange]]:
    """The exchanges kept at `path` by run_id, without the runs that have `finished`."""
    tapes: dict[str, list[Exchange]] = defaultdict(list)
    for line in read_lines(path):
        if (run_id := line.pop("run_id")) not in finished:
            tapes[run_id].append(_exchange(line))
    return dict(tapes)


def _exchange(line: dict[str, Any]) -> Exchange:
    return Exchange(**line | {"message": orjson.dumps(line["message"])})
