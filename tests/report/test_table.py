"""A decision on a terminal."""

from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from assay.decision import Decision, Gates, TaskTraits
from assay.decision.document import Switched
from assay.report.table import decision_page
from tests.fakes.arms import arm, failing, flags, judge
from tests.report.decided import decided, incident, wavy


def printed(decision: Decision, *, width: int = 80, colour: bool = False) -> str:
    """What a terminal of that width shows."""
    out = StringIO()
    console = Console(
        file=out, width=width, highlight=False, force_terminal=colour,
        color_system="standard" if colour else None, legacy_windows=False,
    )  # fmt: skip
    console.print(decision_page(decision))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_a_rejection_says_why_on_one_screen(snapshot: SnapshotAssertion) -> None:
    """Whoever is on call reads the first line; the rest is for those who doubt it."""
    assert printed(incident()) == snapshot


def test_a_promotion_shows_what_was_switched(snapshot: SnapshotAssertion) -> None:
    """The change of the configuration is the one thing that outlives the terminal."""
    decision = decided(judge(arm(**wavy()), arm(**wavy(1.02, phase=1.0))))
    switched = Switched(before="support:v13", after="support:v14")
    assert printed(decision.model_copy(update={"switched": switched})) == snapshot


def test_an_undecided_evaluation_says_what_would_decide_it(snapshot: SnapshotAssertion) -> None:
    """Notes stand under the table, once each, so that the rows stay rows."""
    gates = Gates(mean_spend=0.25)
    candidate = arm(**wavy(1.1, phase=1.0, cut=flags(9)))
    assert printed(decided(judge(arm(**wavy()), candidate, gates=gates))) == snapshot


def test_a_difference_is_shown_with_its_sign(snapshot: SnapshotAssertion) -> None:
    """A mean of zero has no ratio, and an agent without tools is no error."""
    none = wavy(tool_calls=np.zeros(400))
    assert printed(decided(judge(arm(**none), arm(**wavy())))) == snapshot


@pytest.mark.parametrize("make", [incident, lambda: decided(judge(arm(20, 2), arm(20, 2)))])
def test_no_table_is_wider_than_eighty_columns(make: Any) -> None:
    """Wrapped rows are unreadable in a CI log."""
    page = printed(make(), width=200)
    tables = page.split("\n\n")[1:-1]
    assert max(len(line) for part in tables for line in part.splitlines()) <= 80


def test_the_page_stays_one_screen_when_everything_breaks() -> None:
    """Forty rows of broken tasks say no more than ten and a number."""
    everything = {f"bound_{i}": flags(400) for i in range(30)}
    broken = arm(success=np.zeros(400), violations=everything)
    lines = printed(decided(judge(arm(), broken)), width=100).splitlines()
    assert len(lines) < 60
    assert any("and 10 more" in line for line in lines)


HOSTILE = "[red]late[/red]\x1b[31m\n\u202erefund \\[" + "x" * 300


def test_names_from_outside_are_neither_markup_nor_control_characters() -> None:
    """A golden task's name must not paint, break or reverse somebody's terminal."""
    tasks = [TaskTraits(id=HOSTILE, critical=True), TaskTraits(id="t1")]
    judgement = judge(
        arm(2, 20),
        arm(2, 20, success=failing({0: 20}, n_tasks=2), violations={HOSTILE: np.ones(40, bool)}),
        tasks=tasks,
    )
    prompt = judgement.candidate.prompt.model_copy(update={"version": HOSTILE})
    hostile = replace(judgement, candidate=replace(judgement.candidate, prompt=prompt))
    page = printed(decided(hostile), width=300)
    assert "[red]late[/red]" in page
    assert all(character.isprintable() or character == "\n" for character in page)
    assert "x" * 100 not in page


def test_colours_are_for_terminals_only() -> None:
    """A pipe gets plain text, and the verdict is a word before it is a colour."""
    assert "\x1b[" in printed(incident(), colour=True)
    assert "\x1b[" not in printed(incident())
    assert printed(incident()).startswith("reject: ")
