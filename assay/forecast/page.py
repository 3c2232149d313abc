"""A forecast on a terminal of 80 columns: what it costs, what it can show, what to know.

Names come from files and are shown as plain text: never as markup, and without control
characters.
"""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.decision.reason import clean_name
from assay.forecast.document import ExpectedCost, Forecast, GateOutlook, Unchanged
from assay.report.rows import gate_name

_UNTIL = {
    "first_look": "a clear verdict at the first look",
    "typical": "an unchanged prompt, on average",
    "all_repeats": "all repeats",
}


def forecast_page(forecast: Forecast) -> RenderableType:
    """What somebody needs before spending the money."""
    parts: list[RenderableType] = [Text(line) for line in _opening(forecast)]
    parts += [Text(), _cost_table(forecast)]
    if forecast.recorded is not None:
        parts += [Text(), _gates_table(forecast)]
        parts += [Text(line) for line in _tight(forecast)]
    if forecast.unchanged is not None:
        parts += [Text(), Text(_unchanged(forecast.unchanged))]
    if forecast.recorded is None:
        parts += [Text(), *(Text(line) for line in _pilot(forecast))]
    return Group(*parts, *(Text(f"* {clean(note)}", style="dim") for note in forecast.notes))


def _opening(forecast: Forecast) -> Iterator[str]:
    candidate, baseline = (
        clean_name(f"{prompt.name}:{prompt.version}")
        for prompt in (forecast.candidate, forecast.baseline)
    )
    yield (
        f"{candidate} against {baseline}: {forecast.golden_tasks} golden tasks x 2 prompts x up "
        f"to {forecast.repeats} repeats"
    )
    looks = ", ".join(map(str, forecast.looks))
    yield f"looks at {looks} repeats"
    if (known := forecast.recorded) is not None:
        yield (
            f"from {known.runs:,} recorded runs of {baseline} in {known.evaluations} "
            f"evaluation{'s' * (known.evaluations > 1)}; the candidate is taken to cost the same"
        )


def _cost_table(forecast: Forecast) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("if it takes", no_wrap=True)
    for name in ("repeats", "runs", "tokens", "spend", "minutes"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in forecast.costs:
        table.add_row(*_cost_row(one))
    return table


def _cost_row(one: ExpectedCost) -> list[str]:
    return [
        _UNTIL[one.until],
        f"{one.repeats:.3g}",
        f"{one.runs:,}",
        "unknown" if one.tokens is None else _amount(one.tokens),
        "unknown" if one.spend_usd is None else f"{one.spend_usd:,.2f} USD",
        "unknown" if one.minutes is None else _minutes(one.minutes),
    ]


def _gates_table(forecast: Forecast) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("gate", no_wrap=True)
    for name in ("allowed", "tells from none", "rejects from", "repeats needed"):
        table.add_column(name, justify="right", no_wrap=True)
    for gate in forecast.gates:
        cells = [_change(gate, value) for value in (gate.margin, gate.certifies, gate.rejects)]
        table.add_row(Text(_label(gate)), *cells, _needed(gate, forecast.repeats))
    return table


def _needed(gate: GateOutlook, repeats: int) -> Text:
    if gate.repeats_needed is None:
        return Text("-" if gate.certifies is None else "none would do", style="yellow")
    more = gate.repeats_needed > repeats
    return Text(f"{gate.repeats_needed:,}", style="yellow" if more else "green")


def _tight(forecast: Forecast) -> Iterator[str]:
    """The gates that an unchanged prompt would often not pass, and what would help."""
    for gate in forecast.gates:
        if gate.enough is False:
            would = (
                f"{gate.repeats_needed} repeats would do"
                if gate.repeats_needed is not None
                else "no number of repeats would do: more golden tasks, or a wider margin"
            )
            yield (
                f"! {_label(gate)}: {_change(gate, gate.margin)} is tighter than "
                f"{forecast.repeats} repeats can certify; {would}"
            )
        elif gate.enough is None or gate.note is not None:
            yield f"! {_label(gate)}: {clean(gate.note or 'unknown')}"


def _unchanged(found: Unchanged) -> str:
    return (
        f"An unchanged prompt is promoted {found.promote:.1%} of the time (+- "
        f"{found.promote_error:.1%}; {found.simulations} simulations), rejected "
        f"{found.reject:.1%}, inconclusive {found.inconclusive:.1%}; it takes "
        f"{found.mean_repeats:.1f} repeats on average."
    )


def _pilot(forecast: Forecast) -> Iterator[str]:
    yield (
        "Nothing is recorded of the baseline on these golden tasks with this agent and model, so "
        "tokens, spend, minutes and what the gates can tell are unknown."
    )
    candidate = clean_name(f"{forecast.candidate.name}:{forecast.candidate.version}")
    yield f"A pilot would say: assay evaluate {candidate} --repeats 3 --no-switch"


def _label(gate: GateOutlook) -> str:
    return gate_name(gate.metric, gate.statistic)


def _change(gate: GateOutlook, value: float | None) -> str:
    if value is None:
        return "-"
    return f"-{100 * value:.1f} pt" if gate.metric == "success" else f"x{1 + value:.2f}"


def _amount(count: int) -> str:
    if count >= 10_000_000:
        return f"{count / 1e6:,.0f} M"
    return f"{count / 1e6:.2f} M" if count >= 100_000 else f"{count:,}"


def _minutes(minutes: float) -> str:
    return "< 0.1" if minutes < 0.1 else f"{minutes:,.1f}"


def clean(text: str) -> str:
    """One line without control characters: notes hold names and paths."""
    return "".join(character if character.isprintable() else "?" for character in text)
