"""Candidates over several nights: one question, one error, however often it is looked at."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.decision.looks import look_alphas
from assay.history import read_history
from assay.nights.pending import settled_already
from assay.plan import Plan, folder_of
from assay.settling import Request, settle
from tests.carrying_out import carried_out, planned
from tests.commands import Assay
from tests.conftest import Workspace

SETTINGS: Mapping[str, str] = {
    "repeats: 20": "repeats: 4",
    "  require_prompt_id: true": '  candidates: ["support:v14", "support:v15"]\n  '
    "require_prompt_id: true",
}


@pytest.fixture
def few(workspace: Workspace) -> Path:
    """Twelve golden tasks, four repeats a night, two candidates that wait."""
    folder = workspace()
    golden = folder / "golden" / "support.jsonl"
    golden.write_text("".join(golden.read_text().splitlines(keepends=True)[:12]))
    config = folder / "assay.yaml"
    text = config.read_text()
    for old, new in SETTINGS.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    config.write_text(text + "nightly: {repeats: 3, candidate_nights: 3}\n")
    return folder


def tonight(workspace: Path, candidate: str = "v15") -> Plan:
    """What the nightly would evaluate."""
    request = Request(candidates=(candidate,), config=workspace / "assay.yaml", over_nights=True)
    return settle(request, environ={}, now=datetime.now(UTC))


def ended(plan: Plan, verdict: str = "inconclusive") -> None:
    """Make tonight's runs and keep a decision that says so, as the flow does."""
    runs = carried_out(plan)
    made = max(run.repeat for run in runs)
    looks = [{"repeats": at} for at in plan.looks if at <= made]
    kept = {"verdict": verdict, "reason": verdict, "looks": looks}
    folder_of(plan).decision.write_text(json.dumps(kept))


def test_the_error_is_spent_over_all_nights_and_no_more(few: Path) -> None:
    """Three nights at 5 % each would promote a bad prompt three times as often."""
    plan, once = tonight(few), planned(few, "v15")
    assert once.looks == (3, 4)
    assert plan.looks == (3, 4, 8, 12)
    alphas = look_alphas(plan.looks, alpha=plan.gates.alpha)
    assert alphas[0] < look_alphas(once.looks, alpha=once.gates.alpha)[0]
    assert plan.n_runs == once.n_runs == 2 * 12 * 4


def test_an_inconclusive_evaluation_goes_on_with_its_runs_the_next_night(few: Path) -> None:
    """Its first night is not paid twice, and its looks are counted on."""
    first = tonight(few)
    ended(first)
    second = tonight(few)
    assert second.evaluation_id == first.evaluation_id
    assert (second.looks_before, second.looks_tonight) == (2, 3)
    ended(second)
    assert max(run.repeat for run in folder_of(second).finished_runs()) == 8
    third = tonight(few)
    ended(third)
    assert max(run.repeat for run in folder_of(third).finished_runs()) == 12


def test_after_its_last_night_it_is_not_tried_again(few: Path) -> None:
    """More nights would be more error; more golden tasks would be another question."""
    for _ in range(3):
        ended(tonight(few))
    why = settled_already_in(few)
    assert why is not None
    assert "inconclusive after 3 nights" in why
    assert "its error is spent" in why


def settled_already_in(workspace: Path) -> str | None:
    """Why v15 is not evaluated tonight."""
    return settled_already(tonight(workspace))


def real_decision(assay: Assay, folder: Path, *arguments: str) -> dict[str, Any]:
    """What a command decided."""
    decided: dict[str, Any] = json.loads(assay(folder, *arguments, "--json", "-").out)
    return decided


@pytest.mark.slow
def test_a_night_with_candidates_from_end_to_end(assay: Assay, few: Path) -> None:
    """Rejected ones are rejected, promoted ones are not switched to, nothing is asked twice."""
    before = (few / "assay.yaml").read_bytes()
    first = assay(few, "nightly", "--json", "-")
    assert first.exit_code == 0, first.err
    assert json.loads(first.out)["verdict"] == "no_reference"
    assert "support:v14: reject" in first.err
    assert (few / "assay.yaml").read_bytes() == before
    evaluations = set((few / "results").iterdir())

    second = assay(few, "nightly")
    assert second.exit_code == 0, second.err
    assert second.out.startswith("unchanged: ")
    assert "support:v14" not in second.err
    new = {path for path in (few / "results").iterdir() if path not in evaluations}
    assert len(new) == 1  # the night itself; v15, if it was inconclusive, went on where it was

    shown = assay(few, "show", next(iter(new)).name)
    assert shown.out.startswith("unchanged: ")
    status = assay(few, "status")
    assert "night of support:v13: unchanged" in status.out


@pytest.mark.slow
def test_a_verdict_of_ones_own_is_not_asked_again_at_night(assay: Assay, few: Path) -> None:
    """The same texts, golden tasks and settings give the same answer, for the same money."""
    decided = real_decision(assay, few, "evaluate", "v14", "--no-switch")
    assert decided["verdict"] == "reject"
    why = settled_already(tonight(few, "v14"))
    assert why == f"reject already (evaluation {decided['evaluation_id']})"
    config = few / "assay.yaml"
    config.write_text(config.read_text().replace("p95_tokens: 0.5", "p95_tokens: 0.4"))
    assert settled_already(tonight(few, "v14")) is None  # another question


@pytest.mark.slow
def test_nightly_switch_switches_at_night(assay: Assay, workspace: Workspace) -> None:
    """Who asks for it gets it, and the history says on which evidence."""
    folder = workspace()
    config = folder / "assay.yaml"
    waiting = '  candidates: ["support:v15"]\n  require_prompt_id: true'
    text = config.read_text().replace("  require_prompt_id: true", waiting)
    config.write_text(text + "nightly: {repeats: 3}\nrollout: {nightly_switch: true}\n")
    ran = assay(folder, "nightly")
    assert ran.exit_code == 0, ran.err
    assert "support:v15: promote" in ran.err
    assert b'active: "support:v15"' in config.read_bytes()
    (entry,) = read_history(config).entries
    assert entry.cause.evaluation_id in [path.name for path in (folder / "results").iterdir()]


def test_a_plan_of_one_night_knows_no_others(few: Path) -> None:
    """What `assay evaluate` does must not hang on what nights did."""
    once = planned(few, "v15")
    assert once.looks_tonight == len(once.looks)
    assert replace(once, looks_before=0).n_runs == once.n_runs
