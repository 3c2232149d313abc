"""Spans as they come, kept until their run can be written; bounded in number and in time.

A trace in which no span waits for its parent is written once nothing came for it for `settle_s`;
one that lacks a parent, after `unfinished_s`. A trace without an agent's span belongs to its
conversation: the traces of one are one run. A run is written once: what comes for it later, or
again, is counted and let go. Where more is kept than may be, the trace that has been quiet for
longest is written as it is.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from assay.otlp.runs import OtlpRun, Price, Resolve, no_price, runs_of
from assay.otlp.span import Span
from assay.otlp.tree import is_whole

UNFINISHED_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is kept, and for how long."""

    settle_s: float = 10.0
    """Since the last span of a trace that lacks none; exporters send every 5 s."""
    unfinished_s: float = UNFINISHED_S
    """Since the last span of a trace that lacks a parent."""
    max_traces: int = 20_000
    max_spans: int = 200_000
    max_spans_of_trace: int = 10_000
    max_written: int = 100_000
    """Traces that are remembered after they were written."""


@dataclass(slots=True)
class _Trace:
    last_at: float
    spans: dict[str, Span] = field(default_factory=dict)
    conversation: str | None = None
    has_agent: bool = False


class Gathering:
    """The spans of runs that are not written yet.

    Args:
        resolve: Finds the prompt_id of a name and version.
        bounds: How much is kept.
        price: Of a request, where no span says the spend.
    """

    def __init__(self, *, resolve: Resolve, bounds: Bounds, price: Price = no_price) -> None:
        self.counts: Counter[str] = Counter()
        """What came, in words, and how often."""
        self._resolve, self._bounds, self._price = resolve, bounds, price
        self._traces: OrderedDict[str, _Trace] = OrderedDict()  # the quietest first
        self._n_spans = 0
        self._written: OrderedDict[str, set[str]] = OrderedDict()

    @property
    def n_waiting(self) -> int:
        """Traces that are kept."""
        return len(self._traces)

    def add(self, span: Span, *, now: float) -> bool:
        """Keep a span; False where its trace has too many already.

        Args:
            span: That came.
            now: Seconds of a clock that never goes back.
        """
        trace = self._traces.get(span.trace_id)
        if trace is None:
            trace = self._traces[span.trace_id] = _Trace(now)
        if span.span_id in trace.spans:
            self.counts["spans that came again"] += 1
            return True
        if len(trace.spans) >= self._bounds.max_spans_of_trace:
            return False
        trace.spans[span.span_id] = span
        trace.last_at = now
        trace.has_agent |= span.is_agent
        trace.conversation = trace.conversation or span.text("conversation")
        self._traces.move_to_end(span.trace_id)
        self._n_spans += 1
        return True

    def ready(self, *, now: float) -> Iterator[OtlpRun]:
        """The runs that are to be written now."""
        for group in self._settled(now):
            yield from self._write(group)
        while len(self._traces) > self._bounds.max_traces or self._n_spans > self._bounds.max_spans:
            self.counts["traces written early: too many are kept"] += 1
            yield from self._write([next(iter(self._traces))])

    def close(self) -> Iterator[OtlpRun]:
        """The runs that have all their spans by now; the rest is let go."""
        for group in self._groups(list(self._traces)):
            if self._is_whole(group):
                yield from self._write(group)
        self.counts["traces let go at the end: spans were to come"] += len(self._traces)
        self._traces.clear()
        self._n_spans = 0

    def _settled(self, now: float) -> Iterator[list[str]]:
        quiet = []
        for name, trace in self._traces.items():
            if now - trace.last_at < self._bounds.settle_s:
                break  # all that follow are younger
            quiet.append(name)
        for group in self._groups(quiet):
            youngest = max(self._traces[name].last_at for name in group)
            wait_s = self._bounds.settle_s if self._is_whole(group) else self._bounds.unfinished_s
            if now - youngest >= wait_s:
                yield group

    def _groups(self, names: list[str]) -> list[list[str]]:
        """Each trace on its own, and those without an agent with all of their conversation."""
        of_conversation: dict[str, list[str]] = {}
        wanted = {c for name in names if (c := self._conversation(name)) is not None}
        for name in self._traces if wanted else ():
            if (conversation := self._conversation(name)) in wanted and conversation is not None:
                of_conversation.setdefault(conversation, []).append(name)
        alone = [[name] for name in names if self._conversation(name) is None]
        return [*alone, *of_conversation.values()]

    def _conversation(self, name: str) -> str | None:
        trace = self._traces[name]
        return None if trace.has_agent else trace.conversation

    def _is_whole(self, group: list[str]) -> bool:
        return all(is_whole(list(self._traces[name].spans.values())) for name in group)

    def _write(self, group: list[str]) -> Iterator[OtlpRun]:
        spans = [span for name in group for span in self._traces.pop(name).spans.values()]
        self._n_spans -= len(spans)
        before = [self._written.get(name) for name in group]
        written = {run_id for ids in before if ids for run_id in ids}
        is_again = any(ids is not None for ids in before)
        runs = [
            run
            for run in runs_of(spans, resolve=self._resolve, price=self._price)
            if run.run_id not in written
            and not (is_again and run.has_no_agent)
            and written.isdisjoint(group)  # written without its agent: as a whole trace
        ]
        if is_again and (late := len(spans) - sum(run.n_spans for run in runs)):
            self.counts["spans that came after their run was written"] += late
        elif not runs:
            self.counts["traces without a run"] += 1
        self._remember(group, {run.run_id for run in runs} | written)
        for run in runs:
            self._count(run)
            yield run

    def _remember(self, group: list[str], run_ids: set[str]) -> None:
        if run_ids:
            for name in group:
                self._written[name] = run_ids
                self._written.move_to_end(name)
        while len(self._written) > self._bounds.max_written:
            self._written.popitem(last=False)

    def _count(self, run: OtlpRun) -> None:
        self.counts["runs"] += 1
        self.counts["runs unfinished"] += run.is_unfinished
        self.counts["runs without prompt_id"] += run.columns["prompt_id"] is None
