"""A decision on a terminal: the verdict first, then the gates, then what moved.

Everything is shown as plain text, never as markup.
"""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.decision.document import Decision
from assay.decision.ranking import Outcome, Ranking
from assay.decision.reason import clean_name
from assay.report import rows
from assay.report.rows import Sheet

STYLES = {"promote": "bold green", "reject": "bold red", "inconclusive": "bold yellow"}
RESULT_STYLES = {"pass": "green", "fail": "red", "undecided": "yellow", "reported": "dim"}


def outcome_page(outcome: Outcome) -> RenderableType:
    """A decision; of several candidates their ranking first, then every decision."""
    if not isinstance(outcome, Ranking):
        return decision_page(outcome)
    pages = ([Text(), _heading(each), decision_page(each)] for each in outcome.decisions)
    ranking = _table(rows.ranking_sheet(outcome), styles=STYLES)
    return Group(ranking, *(part for page in pages for part in page))


def decision_page(decision: Decision) -> RenderableType:
    """Everything that a person needs to believe or doubt the decision."""
    parts: list[RenderableType] = [_headline(decision), Text()]
    if decision.scope == "traffic":
        parts += [Text(rows.ABOUT_TRAFFIC, style="dim"), Text()]
    parts.append(gates_table(decision))
    parts += [Text(f"* {note}", style="dim") for note in rows.gate_notes(decision)]
    if bounds := rows.bounds_sheet(decision):
        parts += [Text(), _table(bounds)]
    if tasks := rows.tasks_sheet(decision):
        parts += [Text(), _table(tasks), *_examples(decision)]
    return Group(*parts, Text(), *map(Text, rows.footer_lines(decision)))


def gates_table(decision: Decision) -> Table:
    """One row a gate; those without a margin are reported only."""
    table = _table(rows.gates_sheet(decision), styles=RESULT_STYLES)
    for number, column in enumerate(table.columns):
        column.no_wrap = True
        column.justify = "right" if 0 < number < len(table.columns) - 1 else "left"
    return table


def _table(sheet: Sheet, styles: dict[str, str] | None = None) -> Table:
    """The sheet; cells whose text is a key of `styles` are painted so."""
    table = Table(box=None, pad_edge=False)
    for name in sheet.head:
        table.add_column(Text(name))
    for row in sheet.rows:
        table.add_row(*(Text(cell, style=(styles or {}).get(cell.rstrip("*"), "")) for cell in row))
    return table


def _headline(decision: Decision) -> Text:
    verdict, _, why = decision.reason.partition(":")
    return Text.assemble((verdict, STYLES[decision.verdict]), ":", why)


def _heading(decision: Decision) -> Text:
    against = clean_name(decision.baseline.version)
    return Text(f"-- {rows.candidate_name(decision)} against {against} --", style="bold")


def _examples(decision: Decision) -> list[Text]:
    lines = []
    for one in rows.example_lines(decision):
        dim = (Text(f"  {line}", style="dim") for line in (one.calls, one.output))
        lines += [Text(), Text(one.why), *dim]
    return lines
