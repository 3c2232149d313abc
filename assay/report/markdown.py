"""A decision as Markdown, for Prefect's UI: the verdict first, then what it rests on.

Every text goes through `markdown_text` as it is written down, ours too: then none is forgotten.
"""

from base64 import b64encode
from collections.abc import Iterator

from assay.decision.document import Decision
from assay.decision.outcome import canary_words
from assay.decision.ranking import Outcome, Ranking
from assay.report import rows
from assay.report.escaping import markdown_text
from assay.report.plot import gates_plot
from assay.report.rows import Sheet

MAX_REASON_CHARS = 2000
MAX_CELL_CHARS = 100


def outcome_markdown(outcome: Outcome) -> str:
    """A decision's page; of several candidates their ranking first, then every decision."""
    if isinstance(outcome, Ranking):
        blocks = [*_ranking(outcome), *(b for one in outcome.decisions for b in _page(one, "##"))]
    else:
        blocks = [*_page(outcome, "#")]
    return "\n\n".join(blocks) + "\n"


def _ranking(ranking: Ranking) -> Iterator[str]:
    baseline = f"{ranking.baseline.name}:{ranking.baseline.version}"
    yield f"# {ranking.verdict}: {len(ranking.decisions)} candidates against {_text(baseline)}"
    yield _table(rows.ranking_sheet(ranking))


def _page(decision: Decision, level: str) -> Iterator[str]:
    """Blocks of Markdown, to be parted by empty lines."""
    names = f"{rows.candidate_name(decision)} against {rows.baseline_name(decision)}"
    yield f"{level} {decision.verdict}: {_text(names)}"
    yield f"Why: {_text(decision.reason.partition(': ')[2] or decision.reason)}"
    yield f"**Production:** {_text(_production(decision))}"
    if decision.scope == "traffic":
        yield _text(rows.ABOUT_TRAFFIC)
    yield f"{level}# Gates"
    yield _table(rows.gates_sheet(decision))
    yield from (f"\\* {_text(note)}" for note in rows.gate_notes(decision))
    yield _image(gates_plot([decision]))
    if bounds := rows.bounds_sheet(decision):
        yield f"{level}# Bounds broken"
        yield _table(bounds)
    if tasks := rows.tasks_sheet(decision):
        yield f"{level}# Golden tasks that moved"
        yield _table(tasks)
        yield from map(_example, rows.example_lines(decision))
    yield f"{level}# Runs"
    yield from map(_text, rows.footer_lines(decision))


def _production(decision: Decision) -> str:
    """What became of the active prompt, or how to change it."""
    if decision.switched is not None:
        return f"switched from {decision.switched.before} to {decision.switched.after}"
    if decision.canary is not None:
        return canary_words(decision.canary)
    is_rerun = decision.replayed is not None and decision.replayed.mode == "all"
    if decision.verdict != "promote" or is_rerun:
        return "not switched"
    command = f"assay promote {rows.candidate_name(decision)}"
    return f"not switched. To switch: {command} --evaluation {decision.evaluation_id}"


def _table(sheet: Sheet) -> str:
    head, *body = ([*map(_cell, row)] for row in (sheet.head, *sheet.rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def _cell(text: str) -> str:
    return markdown_text(text, max_chars=MAX_CELL_CHARS)


def _example(one: rows.ExampleLines) -> str:
    return f"- Run: {_text(one.why)}\n  - {_text(one.calls)}\n  - {_text(one.output)}"


def _text(text: str) -> str:
    return markdown_text(text, max_chars=MAX_REASON_CHARS)


def _image(svg: str) -> str:
    """The UI shows pictures that stand in the page itself; no script runs in them."""
    return f"![gates](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"
