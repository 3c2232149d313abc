"""When a promote switches, and when it must not."""

import json
import shutil
from pathlib import Path

from assay.history import read_history
from assay.live import read_pointers
from tasks.rolling_back import go_back
from tests.commands import Assay
from tests.conftest import Promoted, Workspace


def test_a_promote_against_another_prompt_than_the_active_one_does_not_switch(
    assay: Assay, workspace: Workspace
) -> None:
    """No worse than an old version is not no worse than what production uses."""
    folder = workspace()
    before = (folder / "assay.yaml").read_bytes()
    ran = assay(folder, "evaluate", "v15", "--baseline", "v12", "--json", "-")
    decision = json.loads(ran.out)
    assert (ran.exit_code, decision["verdict"], decision["switched"]) == (3, "promote", None)
    assert "not switched: compared with support:v12" in decision["reason"]
    assert (folder / "assay.yaml").read_bytes() == before


def test_killed_between_the_switch_and_the_verdict_the_same_command_finishes(
    assay: Assay, promoted: Promoted, tmp_path: Path
) -> None:
    """Then the candidate is active already; it must not be taken for its own baseline."""
    folder = tmp_path / "desk"
    shutil.copytree(promoted.workspace, folder)
    (evaluation,) = (path.parent for path in (folder / "results").glob("*/decision.json"))
    (evaluation / "decision.json").unlink()  # what a kill at that moment leaves behind
    journal = evaluation / "journal.jsonl"
    text = journal.read_text()
    journal.write_text(text.replace(str(promoted.workspace), str(folder)))

    ran = assay(folder, "evaluate", "support:v15", "--json", "-")
    decision = json.loads(ran.out)
    assert (ran.exit_code, decision["evaluation_id"]) == (0, evaluation.name)
    assert decision["switched"] == {"from": "support:v13", "to": "support:v15"}
    assert len(read_history(folder / "assay.yaml").entries) == 1


def test_a_rollback_that_is_about_another_version_than_the_active_one_changes_nothing(
    workspace: Workspace,
) -> None:
    """An alarm about a canary must not take the good version out of production."""
    config = workspace() / "assay.yaml"
    before = config.read_bytes()
    done = go_back.fn(str(config), "canary alarm", "support:v15")
    assert (done.changed, config.read_bytes()) == (False, before)
    assert go_back.fn(str(config), "canary alarm", "support:v13").changed
    assert read_pointers(config).pointers.active == "support:v12"
