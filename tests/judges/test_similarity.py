"""Whether two texts mean the same, by a model that a package carries."""

import socket
from importlib.util import find_spec
from typing import Any

import pytest

from assay import judged_checks
from assay.errors import InputError
from tests.judges.conftest import LAMP, Judged, evaluated, two_repeats

installed = pytest.mark.skipif(
    judged_checks.similarity_missing() is not None, reason="the `similar` extra is not installed"
)
NEAR = "You may send the lamp back within 45 days after it was delivered."
FAR = "Our warehouse in Rotterdam is closed on public holidays."


@installed
def test_the_numbers_are_those_of_sentence_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own documentation has these for this model; and no hub is asked for anything."""
    from assay.judges.similarity import similarity

    def refuse(*_: Any) -> Any:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    weather, sunny, stadium = (
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    )
    found = [similarity(*pair) for pair in ((weather, sunny), (weather, stadium), (sunny, stadium))]
    assert found == pytest.approx([0.6660, 0.1046, 0.1411], abs=5e-5)
    assert similarity(sunny, sunny) == pytest.approx(1)


@installed
@pytest.mark.parametrize("text", ["", "\x00\ud800", "🙂" * 5_000, "word " * 60_000])
def test_any_text_has_a_place(text: str) -> None:
    """An output may be anything, and of any length."""
    from assay.judges.similarity import similarity

    assert -1 <= similarity(text, NEAR) <= 1


@installed
async def test_similar_decides_without_asking_a_judge(judged: Judged) -> None:
    """It costs nothing, and says how near the output was."""
    checks = [
        {"type": "similar", "value": NEAR, "threshold": 0.5},
        {"type": "not-similar", "value": FAR},
    ]
    runs = await evaluated(two_repeats(judged({**LAMP, "checks": checks})))
    assert {run.success for run in runs} == {True}
    for run in runs:
        assert run.judge_model is run.judge_tokens is run.judge_agreement is None
        near, far = (ruling["similarity"] for ruling in run.judge_rulings)
        assert near > 0.5 > far


async def test_without_the_extra_a_task_with_similar_is_refused(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never passed over: a check that nobody makes looks like one that passed."""
    monkeypatch.setattr(
        judged_checks, "find_spec", lambda name: None if name == "tokenizers" else find_spec(name)
    )
    folder = judged({**LAMP, "checks": [{"type": "similar", "value": NEAR}]})
    with pytest.raises(InputError, match=r"support\.jsonl:1: .*`similar` needs.*\n.*--extra sim"):
        two_repeats(folder)
