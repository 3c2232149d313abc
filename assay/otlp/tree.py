"""Which run each span of a trace belongs to.

A run is an `invoke_agent` span that is inside of no other, with all that is below it. Where there
is none in the trace, the whole trace is one run. What lost its parent on the way belongs to the
run that was going on when it started.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from assay.otlp.span import Span


@dataclass(slots=True)
class SpanGroup:
    """The spans of one run, in the order in which they started."""

    agent: Span | None
    """The run's own span."""
    spans: list[Span] = field(default_factory=list)
    """All of them, the run's own included."""
    counted: list[Span] = field(default_factory=list)
    """Of requests to a model those that are not inside of another one that says its tokens."""
    lacks_parent: bool = False
    """Whether a span's parent never came."""


@dataclass(frozen=True, slots=True)
class _Place:
    agent: str | None
    """The run's span, by its id."""
    in_inference: bool
    in_tool: bool
    """A tool may be an agent; that is no run of its own, even if the agent above has not come."""
    lacks_parent: bool
    """At the top of its branch."""


def in_order(spans: Iterable[Span]) -> list[Span]:
    """Each span once, as they started: whatever the order in which they came."""
    once = {(span.trace_id, span.span_id): span for span in spans}
    return sorted(once.values(), key=lambda span: (span.start_ns, span.span_id, span.trace_id))


def groups_of(spans: Sequence[Span]) -> list[SpanGroup]:
    """The runs in spans that belong together, which are in order."""
    places = _places(spans)
    agents = [span for span in spans if places[span.span_id].agent == span.span_id]
    groups = {span.span_id: SpanGroup(span) for span in agents}
    rest = SpanGroup(None)
    for span in spans:
        place = places[span.span_id]
        group = groups.get(place.agent or "") or _going_on(span, groups.values()) or rest
        group.spans.append(span)
        group.lacks_parent |= place.lacks_parent
        if span.is_inference and not place.in_inference:
            group.counted.append(span)
    return [*groups.values(), *([rest] if rest.spans and not groups else [])]


def is_whole(spans: Sequence[Span]) -> bool:
    """Whether no span waits for its parent."""
    ids = {span.span_id for span in spans}
    return all(span.parent_id is None or span.parent_id in ids for span in spans)


def _going_on(span: Span, groups: Iterable[SpanGroup]) -> SpanGroup | None:
    """The run that was going on then, the last that began; the only one in any case."""
    every = list(groups)
    around = [g for g in every if g.agent and g.agent.start_ns <= span.start_ns <= g.agent.end_ns]
    return around[-1] if around else every[0] if len(every) == 1 else None


def _places(spans: Sequence[Span]) -> dict[str, _Place]:
    """Of each span; from the top down, without recursion, and a circle is cut where it closes."""
    by_id = {span.span_id: span for span in spans}
    places: dict[str, _Place] = {}
    for span in spans:
        branch, at = {span.span_id: span}, span
        while at.span_id not in places:
            above = by_id.get(at.parent_id or "")
            if above is None or above.span_id in branch:
                break
            at = branch[above.span_id] = above
        for each in reversed(branch.values()):
            places.setdefault(each.span_id, _place(each, by_id, places))
    return places


def _place(span: Span, by_id: dict[str, Span], places: dict[str, _Place]) -> _Place:
    above = by_id.get(span.parent_id or "")
    of_above = places.get(above.span_id) if above else None
    own = span.span_id if span.is_agent else None
    if above is None or of_above is None:
        lacks = span.parent_id is not None and above is None
        return _Place(agent=own, in_inference=False, in_tool=False, lacks_parent=lacks)
    in_tool = of_above.in_tool or above.is_tool
    says_tokens = above.is_inference and above.amount("input_tokens") is not None
    return _Place(
        agent=of_above.agent or (None if in_tool else own),
        in_inference=of_above.in_inference or says_tokens,
        in_tool=in_tool,
        lacks_parent=of_above.lacks_parent,
    )
