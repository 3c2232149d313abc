"""A canary on a terminal and on the flow run's page: the verdict first, then each metric."""

from collections.abc import Iterator
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.canary.metrics import METRICS
from assay.canary.state import CanaryState, MetricState, Outcome

STYLES = {Outcome.WATCHING: "bold green", Outcome.ALARM: "bold red"}
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
    notes = [Text(f"* {note}", style="dim") for note in state.notes]
    return Group(head, Text(), _table(state), Text(), Text(runs), Text(about), *notes)


def canary_markdown(state: CanaryState) -> str:
    """The outcome as a heading, then the page in a block that nothing leaves."""
    out = StringIO()
    Console(file=out, width=WIDTH, highlight=False).print(canary_page(state))
    page = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).replace("`", "'")
    return f"# {state.outcome.value}\n\n```\n{page}\n```\n"


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


def _table(state: CanaryState) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    names = ("metric", "active", "canary", "change", "at least", "allowed", "runs", "result")
    for name in names:
        table.add_column(name, no_wrap=True)
    for each in state.metrics:
        table.add_row(*_row(each))
    return table


def _row(each: MetricState) -> Iterator[str]:
    yield METRICS[each.metric].name
    yield _level(each.baseline, each)
    yield _level(each.canary, each)
    for value in (each.change, each.lower):
        yield "-" if value is None else _change(value, each)
    yield _allowed(each)
    yield f"{each.baseline_runs:,} + {each.canary_runs:,}"
    yield "alarm" if each.alarm_after else "-" if each.change is None else "no alarm"


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
