"""The tapes of an evaluation: what its runs exchanged with models and tools, as it happened.

A killed run goes on from its tape, so that no request that was paid for is made twice. Whoever
runs an agent asks the tape before each exchange (`answer`) and tells it of each that was
made (`record`): then a record can be kept of the run, and a record can answer in the place
of the world.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assay.records import StopReason
from assay.store.journal import Journal, read_lines

Request = Mapping[str, Any]
"""What was asked, as far as two requests are told apart by it."""


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
    request: Request | None = None
    """What was asked; None where nobody keeps a record."""

    def as_line(self) -> dict[str, Any]:
        """As it is kept."""
        request = {} if self.request is None else {"request": dict(self.request)}
        return {
            "step": self.step,
            "call": self.call,
            "elapsed_s": self.elapsed_s,
            "attempts": self.attempts,
            **request,
            "message": orjson.Fragment(self.message),
        }


class Unanswered(Exception):
    """Nobody answers a request of a run that is replayed, which ends it."""

    def __init__(self, stop_reason: StopReason, words: str | None) -> None:
        super().__init__(words or stop_reason)
        self.stop_reason = stop_reason
        self.words = words


class Tape:
    """One run's exchanges: those of an interrupted attempt at it, and where to add more.

    Args:
        run_id: Of the run.
        recorded: The exchanges of the interrupted attempt.
        journal: Where more are kept.
        keeps_requests: Whether `record` and `answer` are to be told what is asked.
    """

    def __init__(
        self,
        run_id: str,
        recorded: Sequence[Exchange],
        journal: Journal,
        *,
        keeps_requests: bool = False,
    ) -> None:
        self.run_id = run_id
        self.keeps_requests = keeps_requests
        self.exchanges = list(recorded)
        """All of the run, in the order in which they were over."""
        self.worked_s = max((each.elapsed_s for each in recorded), default=0.0)
        """Seconds that the interrupted attempt had used."""
        self.latency_s: float | None = None
        """What the run took when it was recorded; None for one that is made now."""
        self._places = {(each.step, each.call): each for each in recorded}
        self._journal = journal

    def answer(self, *, step: int, call: int | None, request: Request | None) -> Exchange | None:
        """The exchange, if it need not be made; ask once for each, in order.

        Raises:
            Unanswered: It must not be made.
        """
        del request  # for tapes that a record answers on
        return self._places.get((step, call))

    def find(self, request: Request) -> Exchange | None:
        """The same where requests have no steps, being made side by side; ask once for each.

        Raises:
            Unanswered: It must not be made.
        """
        del request  # for tapes that a record answers on
        return None

    def start_anew(self) -> None:
        """Forget the interrupted attempt: for an agent that makes its runs from the start.

        Raises:
            Unanswered: The run must not be made.
        """
        self.exchanges.clear()
        self._places.clear()
        self.worked_s = 0.0

    @property
    def timed_out(self) -> Unanswered | None:
        """That the run was out of time when it was recorded, and has come as far again."""
        return None

    def is_past(self, step: int) -> bool:
        """Whether the interrupted attempt had come further than this step."""
        return any(each > step for each, _ in self._places)

    def record(self, exchange: Exchange) -> None:
        """Keep one more exchange; when this returns it survives a kill of the process."""
        self._journal.append({"run_id": self.run_id, **exchange.as_line()})
        self.exchanges.append(exchange)


def read_tapes(path: Path, *, finished: Collection[str]) -> dict[str, list[Exchange]]:
    """The exchanges kept at `path` by run_id, without the runs that have `finished`."""
    tapes: dict[str, list[Exchange]] = defaultdict(list)
    for line in read_lines(path):
        if (run_id := line.pop("run_id")) not in finished:
            tapes[run_id].append(exchange_of(line))
    return dict(tapes)


def exchange_of(line: dict[str, Any]) -> Exchange:
    """The exchange of a line that `as_line` made."""
    return Exchange(**line | {"message": orjson.dumps(line["message"])})
