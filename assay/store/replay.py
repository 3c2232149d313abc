"""Replaying a record: tapes that answer in the place of the world.

`tools` answers what tools are asked, so that no tool is executed and what they say does not
differ between the prompts. `all` answers for the model, too: the runs are those that were
recorded, without a network and at no cost. What a record does not hold is never asked for
elsewhere: it ends the run as `infra_error`, for it says nothing about the prompt.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, assert_never

from assay.errors import InputError
from assay.records import RunKey, StopReason
from assay.store.journal import Journal
from assay.store.record import Record, RecordedRun, RecordHeader
from assay.store.tape import Exchange, Request, Tape, Unanswered
from assay.wording import one_line

NOT_RECORDED = "not in the record"
ANOTHER_REQUEST = "not the recorded request"
MAX_SHOWN_CHARS = 300

_ENDS_OUTSIDE = frozenset(
    {StopReason.MAX_SECONDS, StopReason.INFRA_ERROR, StopReason.AGENT_ERROR, StopReason.CANCELLED}
)
"""Ends that no recorded exchange leads to: they come when the exchanges are over."""


class ReplayMode(StrEnum):
    """What a record answers."""

    TOOLS = "tools"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Replay:
    """Which record is replayed, and how much of it."""

    mode: ReplayMode
    evaluation_id: str

    def __str__(self) -> str:
        """As it is stored with each run: `tools:20261125-081500-3f9a1c`."""
        return f"{self.mode}:{self.evaluation_id}"


TapeMaker = Callable[[RunKey, Sequence[Exchange], Journal], Tape]
"""The tape of a run, from the exchanges of an interrupted attempt at it."""


@dataclass(frozen=True, slots=True)
class OpenReplay:
    """A record that was read and answers."""

    mode: ReplayMode
    header: RecordHeader
    tape: TapeMaker


def open_replay(record: Record, mode: ReplayMode) -> OpenReplay:
    """Read the record.

    Raises:
        InputError: Nothing was recorded.
        CannotEvaluate: It is damaged.
    """
    header = record.header() if record.exists else None
    if header is None:
        raise InputError(
            f"evaluation {record.evaluation_id} has no record",
            mend="name another one with --record-of",
        )
    return OpenReplay(mode, header, _tapes(record, mode))


def _tapes(record: Record, mode: ReplayMode) -> TapeMaker:
    match mode:
        case ReplayMode.TOOLS:
            known = KnownResults(record.runs())
            return lambda key, taped, journal: ToolsTape(key, taped, journal, known=known)
        case ReplayMode.ALL:
            runs = {(run.golden_task_id, run.prompt_id, run.repeat): run for run in record.runs()}
            return lambda key, _, journal: RecordedTape(
                key, runs.get((key.golden_task_id, key.prompt_id, key.repeat)), journal
            )
        case unreachable:
            assert_never(unreachable)


class Call(NamedTuple):
    """A tool call as it is looked up."""

    golden_task_id: str
    tool: str
    arguments: str
    """Canonical JSON."""
    number: int
    """1-based among the calls of one run that are equal."""


class KnownResults:
    """What tools answered in a record, by call.

    Args:
        runs: Of the record.
    """

    def __init__(self, runs: Iterable[RecordedRun]) -> None:
        self._results: dict[Call, list[tuple[int, Exchange]]] = defaultdict(list)
        for run in sorted(runs, key=lambda run: (run.repeat, run.prompt_id)):
            for call, exchange in _calls(run):
                self._results[call].append((run.repeat, exchange))

    def find(self, call: Call, *, repeat: int) -> Exchange | None:
        """The result of the same repeat, else of another one; the same for every prompt."""
        if not (known := self._results.get(call, [])):
            return None
        same = (exchange for number, exchange in known if number == repeat)
        return next(same, known[(repeat - 1) % len(known)][1])


def _calls(run: RecordedRun) -> Iterator[tuple[Call, Exchange]]:
    """The tool calls of a run in the order in which they were asked for."""
    equal: Counter[tuple[str, str]] = Counter()
    for exchange in run.tape():
        if exchange.call is None:
            continue
        request = exchange.request or {}
        asked = str(request.get("tool")), str(request.get("arguments"))
        equal[asked] += 1
        yield Call(run.golden_task_id, *asked, equal[asked]), exchange


class ToolsTape(Tape):
    """A run whose tools are answered for by a record; its model is asked."""

    def __init__(
        self, key: RunKey, taped: Sequence[Exchange], journal: Journal, *, known: KnownResults
    ) -> None:
        super().__init__(key.run_id, taped, journal, keeps_requests=True)
        self._key = key
        self._known = known
        self._equal: Counter[tuple[str, str]] = Counter()

    def answer(self, *, step: int, call: int | None, request: Request | None) -> Exchange | None:
        """A tool's result from the record; the model's response only after an interruption."""
        if call is None or request is None:
            return super().answer(step=step, call=call, request=request)
        asked = request["tool"], request["arguments"]
        self._equal[asked] += 1
        wanted = Call(self._key.golden_task_id, *asked, self._equal[asked])
        found = self._known.find(wanted, repeat=self._key.repeat)
        if found is None:
            raise Unanswered(StopReason.INFRA_ERROR, f"{NOT_RECORDED}: {_shown(wanted)}")
        served = Exchange(
            step=step, call=call, message=found.message, elapsed_s=self.worked_s, request=request
        )
        self.exchanges.append(served)
        return served


def _shown(call: Call) -> str:
    words = one_line(f"{call.tool}({call.arguments})", max_chars=MAX_SHOWN_CHARS)
    return words if call.number == 1 else f"{words}, for the {call.number}. time in one run"


class RecordedTape(Tape):
    """A run that was recorded from its first request to its end."""

    def __init__(self, key: RunKey, run: RecordedRun | None, journal: Journal) -> None:
        super().__init__(
            key.run_id, [] if run is None else run.tape(), journal, keeps_requests=True
        )
        self.worked_s = 0.0
        self.latency_s = None if run is None else run.latency_s
        self._run = run
        self._left = list(self.exchanges)
        self._what = f"{key.prompt_id} on {key.golden_task_id}, repeat {key.repeat}"

    def answer(self, *, step: int, call: int | None, request: Request | None) -> Exchange:
        """The recorded exchange, if it was asked for in the same words; else how the run ended."""
        exchange = super().answer(step=step, call=call, request=request)
        if exchange is None:
            raise self._end(step)
        if changes := list(_changes(exchange.request or {}, request or {})):
            raise _another(step, changes)
        return exchange

    def find(self, request: Request) -> Exchange:
        """The first recorded exchange with the same words that was not asked for yet."""
        best: list[str] | None = None
        for exchange in self._left:
            changes = list(_changes(exchange.request or {}, request))
            if not changes:
                self._left.remove(exchange)
                return exchange
            if best is None or len(changes) < len(best):
                best = changes
        step = len(self.exchanges) - len(self._left)
        raise self._end(step) if best is None else _another(step, best)

    def record(self, exchange: Exchange) -> None:
        """It is in the record."""

    def start_anew(self) -> None:
        """It is from the start, if it was recorded."""
        if self._run is None or self._run.left_out_bytes is not None:
            raise self._end(0)

    @property
    def timed_out(self) -> Unanswered | None:
        """The clock is the recorded one."""
        run = self._run
        if run is None or self._left or run.stop_reason != StopReason.MAX_SECONDS:
            return None
        return Unanswered(StopReason.MAX_SECONDS, run.error)

    def is_past(self, step: int) -> bool:
        """All of it has been, and took its time then."""
        del step
        return True

    def _end(self, step: int) -> Unanswered:
        if self._run is None:
            return Unanswered(StopReason.INFRA_ERROR, f"{NOT_RECORDED}: {self._what}")
        if (size := self._run.left_out_bytes) is not None:
            words = f"{NOT_RECORDED}: {self._what}, which exchanged {size:,} bytes"
            return Unanswered(StopReason.INFRA_ERROR, words)
        if self._run.stop_reason in _ENDS_OUTSIDE:
            return Unanswered(StopReason(self._run.stop_reason), self._run.error)
        words = f"{NOT_RECORDED}: step {step + 1} of {self._what}"
        return Unanswered(StopReason.INFRA_ERROR, words)


def _another(step: int, changes: Sequence[str]) -> Unanswered:
    words = one_line("; ".join(changes), max_chars=MAX_SHOWN_CHARS)
    return Unanswered(
        StopReason.INFRA_ERROR, f"{ANOTHER_REQUEST} (step {step + 1} of the run): {words}"
    )


def _changes(then: Request, now: Request) -> Iterator[str]:
    """In what two requests differ, in words; `opening` is there to be read only."""
    for key in sorted((then.keys() | now.keys()) - {"opening"}):
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        if isinstance(before, list) and isinstance(after, list):
            yield f"{_first_other(before, after)} differs"
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from (f"{key}.{words}" for words in _changed_keys(before, after))
        else:
            yield f"{key}: {before} then, {after} now"


def _changed_keys(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(then.keys() | now.keys()):
        before, after = then.get(name), now.get(name)
        if before != after:
            yield f"{name}: {before} then, {after} now"


def _first_other(then: Sequence[str], now: Sequence[str]) -> str:
    """What the first part that is another one is called: `system-prompt`, before its hash."""
    pairs = zip(then, now, strict=False)
    other = next((after for before, after in pairs if before != after), None)
    return "the number of messages" if other is None else f"the {other.partition(' ')[0]}"
