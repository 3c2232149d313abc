"""A night on a terminal: the verdict first, then what moved, then the nights before.

Names come from files and are shown as plain text.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.nights.document import Figures, Movement, Night, NightVerdict
from assay.nights.trends import FIGURES, Trend, trends
from assay.report.rows import figure, gate_name, shown_change

STYLES = {
    NightVerdict.UNCHANGED: "bold green",
    NightVerdict.REGRESSION: "bold red",
    NightVerdict.NO_REFERENCE: "bold",
}
OPEN_STYLE = "bold yellow"
SHOWN_NIGHTS = 10
HEADINGS = ("tokens", "p95", "calls", "spend $", "p95 s")
"""Of the columns of `FIGURES`, short enough for eighty columns."""


def night_page(night: Night, *, before: Sequence[Night] = ()) -> RenderableType:
    """Everything that a person needs to believe or doubt what the night found."""
    style = STYLES.get(night.verdict, OPEN_STYLE)
    head, _, why = night.reason.partition(":")
    parts: list[RenderableType] = [Text.assemble((head, style), ":", why)]
    if night.spike:
        parts.append(Text(f"token spike: {night.spike}", style="bold red"))
    parts += [Text(f"* {note}", style="dim") for note in night.notes]
    if night.movements:
        parts += [Text(), _movements(night)]
    shown = [each for each in before if each.evaluation_id != night.evaluation_id] + [night]
    parts += [Text(), nights_table(shown[-SHOWN_NIGHTS:])]
    parts += [Text(line) for line in trend_lines(list(trends(shown)))]
    return Group(*parts, Text(), Text(_footer(night)))


def nights_table(nights: Sequence[Night]) -> Table:
    """One row a night of the active prompt, the oldest first."""
    table = _table("night (UTC)", "success", *HEADINGS, "verdict")
    for night in nights:
        table.add_row(
            f"{night.at:%m-%d %H:%M}",
            "-" if night.active.success is None else f"{night.active.success:.1%}",
            *figure_cells(night.active),
            night.verdict.value.replace("_", " ") + (" (spike)" if night.spike else ""),
        )
    return table


def figure_cells(figures: Figures) -> Iterator[str]:
    """The figures of `FIGURES`, in order."""
    for field in FIGURES.values():
        yield figure(getattr(figures, field), field)


def trend_lines(found: Sequence[Trend]) -> list[str]:
    """What surely rises or falls from night to night."""
    return [
        f"trend: {one.name} {one.growth.estimate - 1:+.1%} a night "
        f"({one.growth.lower - 1:+.1%} to {one.growth.upper - 1:+.1%})"
        for one in found
        if one.is_sure
    ]


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def _movements(night: Night) -> Table:
    names = ["metric", "kept", "tonight", "change", "surely within", "rollback", "excess"]
    table = _table(*names, "finding")
    for one in night.movements:
        table.add_row(*_row(one))
    return table


def _row(one: Movement) -> Iterator[str]:
    yield gate_name(one.metric, one.statistic)
    for value in (one.active.kept, one.active.tonight):
        yield figure(value, one.metric)
    yield _change(one.active.change, one)
    limits = [one.active.lower, one.active.upper]
    low, high = (_change(x, one) for x in (limits if one.is_ratio else limits[::-1]))
    yield f"{low.removesuffix(' pt')} .. {high}"
    yield _change(one.rollback.change if one.rollback else None, one)
    yield _change(one.excess, one)
    yield one.finding if one.is_gated else "reported"


def _change(change: float | None, one: Movement) -> str:
    return shown_change(change, one.metric, is_ratio=one.is_ratio)


def _footer(night: Night) -> str:
    runs = [each.runs for each in (night.active, night.rollback) if each]
    held = night.reference
    line = f"{' + '.join(map(str, runs))} runs, {night.seconds:.0f} s, night {night.evaluation_id}"
    if held is None:
        return line
    when = "promotion" if held.is_promotion else "first night"
    return f"{line}, held against {held.evaluation_id} ({when})"
