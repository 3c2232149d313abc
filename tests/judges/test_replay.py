"""What judges said is replayed with the runs: nobody is asked, and the rulings are the same."""

import re

import pytest

from assay.errors import InputError
from assay.records import RunRecord
from assay.store.replay import ReplayMode
from tests.carrying_out import planned
from tests.fakes.judge_server import FakeJudge
from tests.judges.conftest import Judged, evaluated

JUDGED = {"success", "judge_model", "judge_tokens", "judge_agreement", "judge_rulings"}


def rulings(runs: list[RunRecord]) -> list[object]:
    return [run.model_dump(include=JUDGED) for run in runs]


async def test_a_replay_of_all_asks_no_judge(
    judged: Judged, judge: FakeJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge costs money and needs a key and a network, as the agent's model does."""
    monkeypatch.setenv("JUDGE_KEY", "for-the-judge-only")
    folder = judged(api_key_env="JUDGE_KEY")
    runs = await evaluated(planned(folder, "v14", repeats=2, records=True))
    asked = len(judge.asked)
    assert asked
    monkeypatch.delenv("JUDGE_KEY")
    replayed = await evaluated(planned(folder, "v14", replay=ReplayMode.ALL))
    assert len(judge.asked) == asked
    assert rulings(replayed) == rulings(runs)
    assert {run.success for run in replayed} == {True}


async def test_another_judge_or_question_than_the_recorded_one_is_refused(judged: Judged) -> None:
    """An opinion on another question is none, and nobody is there to be asked anew."""
    folder = judged()
    await evaluated(planned(folder, "v14", repeats=1, records=True))
    config, golden = folder / "assay.yaml", folder / "golden" / "support.jsonl"
    before = config.read_text()
    config.write_text(before.replace("a-judge", "another-judge"))
    plan = planned(folder, "v14", replay=ReplayMode.ALL)
    with pytest.raises(InputError, match=re.escape("was judged by a-judge")):
        await evaluated(plan)
    config.write_text(before)
    golden.write_text(golden.read_text().replace("says how many", "says politely how many"))
    with pytest.raises(InputError, match="golden task 'lamp' is judged, and not the one of"):
        planned(folder, "v14", replay=ReplayMode.ALL)
