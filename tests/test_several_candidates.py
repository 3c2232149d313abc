"""`assay evaluate v14 v15 ...`: one baseline, a verdict each, at a shared error."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assay.errors import InputError
from assay.store.journal import read_lines
from tests.carrying_out import planned
from tests.commands import Assay, Ran
from tests.conftest import Workspace, copy_sample


@pytest.fixture(scope="module")
def evaluated(assay: Assay, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """The sample's three versions against v13, nothing switched."""
    folder = copy_sample(tmp_path_factory.mktemp("several") / "desk")
    return folder, assay(folder, "evaluate", "v14", "v15", "v12", "--json", "-")


def ranking(ran: Ran) -> dict[str, Any]:
    """What the command printed."""
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_each_candidate_has_its_verdict_and_the_exit_code_is_the_worst_ones(
    evaluated: tuple[Path, Ran],
) -> None:
    """The incident among the candidates must not be hidden by a good one."""
    folder, ran = evaluated
    found = ranking(ran)
    assert (ran.exit_code, found["verdict"], found["switched"]) == (1, "reject", None)
    verdicts = {one["candidate"]["version"]: one["verdict"] for one in found["decisions"]}
    assert (verdicts["v14"], verdicts["v15"]) == ("reject", "promote")
    assert found["decisions"][0]["candidate"]["version"] in ("v15", "v12")
    assert (folder / "assay.yaml").read_bytes() == (
        copy_sample(folder.parent / "untouched") / "assay.yaml"
    ).read_bytes()


def test_a_candidate_with_a_verdict_makes_no_more_runs_and_the_baseline_runs_once(
    evaluated: tuple[Path, Ran],
) -> None:
    """Three candidates must not cost three baselines, nor a rejected one its whole plan."""
    folder, ran = evaluated
    (journal,) = folder.glob("results/*/journal.jsonl")
    runs = [line["run"] for line in read_lines(journal) if line["type"] == "run_end"]
    made = Counter(run["prompt_version"] for run in runs)
    by_version = {one["candidate"]["version"]: one for one in ranking(ran)["decisions"]}
    assert made["v14"] == by_version["v14"]["runs"]["candidate"] == 27 * 3
    assert made["v13"] == max(made.values())
    assert all(made[version] == one["runs"]["candidate"] for version, one in by_version.items())


def test_the_allowed_error_is_shared(workspace: Workspace) -> None:
    """Twenty candidates at 5 % each would promote a bad one more often than not."""
    folder = workspace()
    one = planned(folder, "v14")
    assert one.gates.alpha == 0.05
    request = ("v14", "v15", "v12")
    assert planned(folder, *request).gates.alpha == pytest.approx(0.05 / 3)


def test_show_status_and_promote_know_a_ranking(
    assay: Assay, evaluated: tuple[Path, Ran], tmp_path: Path
) -> None:
    """The evidence of one of several candidates is as good as that of a single one."""
    folder, ran = evaluated
    here = Path(shutil.copytree(folder, tmp_path / "desk"))
    evaluation = ranking(ran)["evaluation_id"]
    page = assay(here, "show", evaluation).out
    assert page.index("rank") < page.index("-- support:v14 against v13 --")
    assert "support:v14, support:v15, support:v12 vs support:v13" in assay(here, "status").out
    refused = assay(here, "promote", "v14", "--evaluation", evaluation)
    assert refused.exit_code == 3
    assert assay(here, "promote", "v15", "--evaluation", evaluation).exit_code == 0
    assert b'active: "support:v15"' in (here / "assay.yaml").read_bytes()


def test_switch_best_switches_to_the_first_of_the_ranking(
    assay: Assay, workspace: Workspace
) -> None:
    """What is asked for by name is done, and recorded as any promote is."""
    folder = workspace()
    ran = assay(folder, "evaluate", "v14", "v15", "--switch-best", "--json", "-")
    found = ranking(ran)
    assert ran.exit_code == 1
    assert found["switched"] == {"from": "support:v13", "to": "support:v15"}
    assert b'active: "support:v15"' in (folder / "assay.yaml").read_bytes()


@pytest.mark.parametrize(
    ("candidates", "problem"),
    [
        (("v14", "v14"), "named twice"),
        (("v14", "v13"), "both support:v13"),
        (("v14", "other:v1"), "no such prompt version"),
    ],
)
def test_candidates_that_make_no_sense_are_refused(
    workspace: Workspace, candidates: tuple[str, ...], problem: str
) -> None:
    """Before a token is spent."""
    with pytest.raises(InputError, match=problem):
        planned(workspace(), *candidates)


def test_two_candidates_with_one_text_are_refused(workspace: Workspace) -> None:
    """They would be ranked by noise."""
    folder = workspace()
    versions = folder / "prompts" / "support"
    shutil.copy(versions / "v14.md", versions / "v16.md")
    with pytest.raises(InputError, match="same text as support:v14"):
        planned(folder, "v14", "v16")
