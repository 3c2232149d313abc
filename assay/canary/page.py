"""A canary on a terminal and on the flow run's page: the verdict first, then each metric."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.canary.metrics import METRICS
from assay.canary.state import CanaryState, MetricState, Outcome
from assay.report.fenced import fenced_page

STYLES = {
    Outcome.WATCHING: "bold green",
    Outcome.SHARE_RAISED: "bold green",
    Outcome.PROMOTED: "bold green",
    Outcome.ALARM: "bold red",
}
OPEN_STYLE = "bold yellow"
WIDTH = 110


def canary_page(state: CanaryState) -> RenderableType:
    """Everything that a person needs to believe or doubt a look."""
    head = Text.assemble(
        (state.outcome.value, STYLES.get(state.outcome, OPEN_STYLE)), f": {state.reason}"
    )
    about = (
        f"{state.version} at {state.share:.2%} beside {state.baseline} since "
        f"{state.began_at:%Y-%m-%d %H:%M} UTC, looked at {state.looked_at:%Y-%m-%d %H:%M} UTC"
    )
    spend = "not known" if state.spend_usd is None else f"${state.spend_usd:,.2f}"
    runs = f"{state.canary_runs} canary runs ({spend}), {state.baseline_runs} of the active version"
    runs += "".join(f"; at {s.share:.4g}: {s.canary_runs}" for s in state.steps[:-1])
    notes = [Text(f"* {note}", style="dim") for note in state.notes]
    return Group(head, Text(), _table(state), Text(), Text(runs), Text(about), *notes)


def canary_markdown(state: CanaryState) -> str:
    """The outcome as a heading, then the page."""
    return fenced_page(state.outcome.value, canary_page(state), width=WIDTH)


def alarm_words(state: CanaryState, cause: MetricState) -> str:
    """`tool calls x2.71 (at least x1.33; allowed x1.25) after 20 canary runs`."""
    metric = METRICS[cause.metric]
    if cause.change is None or cause.lower is None:
        said = f"{_level(cause.canary, cause)} where the active version has none"
    else:
        said = (
            f"{_change(cause.change, cause)} (at least {_change(cause.lower, cause)}; "
            f"allowed {_allowed(cause)})"
        )
    return f"{state.version}: {metric.name} {said}, sure after {cause.alarm_after} canary runs"


def open_words(state: CanaryState) -> Iterator[str]:
    """`not yet shown: mean tokens (at most x1.31; allowed x1.25)`; nothing where all are."""
    silent = [METRICS[m.metric].name for m in state.metrics if m.is_silent]
    open_ones = [
        METRICS[m.metric].name
        + (f" (at most {_change(m.upper, m)}; allowed {_allowed(m)})" if m.upper else "")
        for m in state.metrics
        if not m.is_shown and not m.is_silent
    ]
    if open_ones:
        yield f"not yet shown to be no worse: {', '.join(open_ones)}"
    if silent and state.canary_runs:
        yield f"not in the log: {', '.join(silent)} (null in rollout.canary.gates goes without)"


def _table(state: CanaryState) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    names = (
        "metric", "active", "canary", "change", "at least", "at most", "allowed", "runs", "result",
    )  # fmt: skip
    for name in names:
        table.add_column(name, no_wrap=True)
    for each in state.metrics:
        table.add_row(*_row(each))
    return table


def _row(each: MetricState) -> Iterator[str]:
    yield METRICS[each.metric].name
    yield _level(each.baseline, each)
    yield _level(each.canary, each)
    for value in (each.change, each.lower, each.upper):
        yield "-" if value is None else _change(value, each)
    yield _allowed(each)
    yield f"{each.baseline_runs:,} + {each.canary_runs:,}"
    yield _result(each)


def _result(each: MetricState) -> str:
    if each.alarm_after:
        return "alarm"
    if each.is_shown:
        return "no worse"
    return "-" if each.change is None else "open"


def _level(value: float | None, each: MetricState) -> str:
    if value is None:
        return "-"
    if not METRICS[each.metric].is_ratio:
        return f"{value:.1%}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _change(value: float, each: MetricState) -> str:
    return f"x{value:.2f}" if METRICS[each.metric].is_ratio else f"{100 * value:+.1f} pt"


def _allowed(each: MetricState) -> str:
    is_ratio = METRICS[each.metric].is_ratio
    return f"x{1 + each.margin:.2f}" if is_ratio else f"+{100 * each.margin:.1f} pt"
