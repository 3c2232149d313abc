"""The gates as a picture: each gate's interval against its margin, on one scale.

The scale is the margin's: 0 is no change, 1 is the most that is allowed, and right is worse,
whatever the gate measures. SVG of our own: a dozen lines and rectangles need no library.
"""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from assay.decision.document import Decision, Gate
from assay.report import rows

COLOURS = {"pass": "#1a7f37", "fail": "#cf222e", "undecided": "#9a6700"}
INK, FAINT = "#1f2328", "#afb8c1"

WIDTH, ROW, HEAD, FOOT = 640, 26, 44, 10
LEFT, RIGHT = 110, 440
"""Where the scale begins and ends; names are left of it, figures right."""
LOW, HIGH = -1.0, 4.0
"""Ends of the scale, in margins; what lies beyond is shown as an arrow."""


def gates_plot(decisions: Sequence[Decision]) -> str:
    """An SVG document with a panel for each decision; gates without a margin are left out."""
    parts: list[str] = []
    top = 0
    for decision in decisions:
        gates = [gate for gate in decision.gates if gate.margin is not None]
        parts += _panel(decision, gates, top)
        top += HEAD + ROW * len(gates) + FOOT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
            f'viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" font-size="12" fill="{INK}">',
            "<title>Each gate's interval against its margin</title>",
            f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _panel(decision: Decision, gates: Sequence[Gate], top: int) -> Iterator[str]:
    title = f"{rows.candidate_name(decision)} against {rows.baseline_name(decision)}"
    yield _words(8, top + 16, f"{decision.verdict}: {title}", weight="bold")
    bottom = top + HEAD + ROW * len(gates)
    for at, words in ((0.0, "no change"), (1.0, "allowed")):
        yield _words(_x(at), top + 36, words, anchor="middle")
        yield _stroke(_x(at), top + HEAD - 4, _x(at), bottom, FAINT)
    for number, gate in enumerate(gates):
        yield from _row(gate, top + HEAD + ROW * number + ROW / 2)


def _row(gate: Gate, y: float) -> Iterator[str]:
    colour = COLOURS[gate.result]
    yield _words(8, y + 4, rows.gate_name(gate.metric, gate.statistic))
    figures = rows.limits(gate) if gate.lower is not None else rows.change(gate)
    yield _words(RIGHT + 12, y + 4, figures)
    yield _words(WIDTH - 8, y + 4, gate.result, anchor="end", fill=colour)
    lower, upper, change = (_margins(gate, value) for value in (gate.lower, gate.upper, _at(gate)))
    if lower is not None and upper is not None:
        yield _stroke(_x(lower), y, _x(upper), y, colour, width=4)
        yield from (_arrow(end, y, colour) for end in (lower, upper) if not LOW <= end <= HIGH)
    if change is not None and LOW <= change <= HIGH:
        yield f'<circle cx="{_x(change):.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'


def _at(gate: Gate) -> float | None:
    return gate.ratio if gate.difference is None else gate.difference


def _margins(gate: Gate, value: float | None) -> float | None:
    """A change in margins; None where nothing at all is allowed, and no scale is left."""
    if value is None or not gate.margin:
        return None
    return (value - 1.0 if gate.difference is None else value) / gate.margin


def _x(margins: float) -> float:
    share = (min(max(margins, LOW), HIGH) - LOW) / (HIGH - LOW)
    return LEFT + share * (RIGHT - LEFT)


def _arrow(end: float, y: float, colour: str) -> str:
    tip = 7 if end > HIGH else -7
    x = _x(end)
    return (
        f'<path d="M {x:.1f} {y - 6:.1f} L {x + tip:.1f} {y:.1f} L {x:.1f} {y + 6:.1f} Z" '
        f'fill="{colour}"/>'
    )


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, *, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _words(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", fill: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{escape(text)}</text>'
    )
