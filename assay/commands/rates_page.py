"""What `assay selftest` prints, and its JSON."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from rich.table import Table

from assay.commands.screen import Screen
from assay.records import PromptRef
from assay.selftest import Rate, Rates

FEW_RECORDED = 20
"""Recorded runs of a golden task below which the page says that its rates are too good."""


class SelfTest(BaseModel):
    """The JSON of `assay selftest`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    prompt: PromptRef
    seed: int
    looks: tuple[int, ...]
    golden_tasks: int
    recorded_runs: int
    fewest_runs_of_a_task: int
    identical: Rates
    effects: tuple[Rates, ...]


def show(found: SelfTest) -> None:
    """Print the rates, the power, and what to make of them."""
    screen = Screen(highlight=False)
    same, looks = found.identical, ", ".join(map(str, found.looks))
    lines = (
        f"{found.prompt.name}:{found.prompt.version} against itself, drawn from",
        f"{found.recorded_runs} recorded runs of {found.golden_tasks} golden tasks",
        f"{same.evaluations} evaluations, looks at {looks} repeats, seed {found.seed}\n",
        f"false alarms (reject)  {_percent(same.reject)}",
        f"promoted               {_percent(same.promote)}",
        f"inconclusive           {_percent(same.inconclusive)}",
        f"flips                  {_percent(same.flips)}   one promotes, the next rejects",
        f"mean repeats           {same.mean_repeats:.1f} of {found.looks[-1]}\n",
    )
    screen.out("\n".join(lines))
    screen.print(_table(found.effects))
    screen.out(f"\n{_caution(found)}")


def _table(effects: Sequence[Rates]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("tokens, calls", "reject", "promote", "inconclusive", "repeats"):
        table.add_column(heading, justify="right")
    for row in effects:
        shares = (row.reject, row.promote, row.inconclusive)
        cells = [_percent(share) for share in shares]
        table.add_row(f"x{row.factor:.2f}", *cells, f"{row.mean_repeats:.1f}")
    return table


def _percent(rate: Rate) -> str:
    return f"{100 * rate.share:5.1f} % +- {100 * rate.error:.1f}"


def _caution(found: SelfTest) -> str:
    fewest = found.fewest_runs_of_a_task
    words = (
        "+- is one Monte Carlo standard error. Drawing again from recorded runs knows no rarer\n"
        "run than those: a tail or a failure that was never recorded never comes."
    )
    if fewest >= FEW_RECORDED:
        return words
    return (
        f"{words}\nA golden task has only {fewest} recorded runs: so few understate how much\nruns "
        f"vary, and these rates are too good. {FEW_RECORDED} or more say it better."
    )
