"""The A/A test on recorded runs: its rates, what it needs, and what it prints."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.cli import main
from assay.decision import Gates
from assay.forecast.resampling import History
from assay.selftest import Rates, Setting, flips, rate, scaled, selftest
from tests.conftest import Workspace
from tests.fakes.arms import arm, simulated_arm, traits


def rates(*, evaluations: int = 60, seed: int = 1, gates: Gates | None = None) -> list[Rates]:
    """Of recorded runs like a real agent's: 20 golden tasks, 12 runs each."""
    rng = np.random.default_rng(4)
    recorded = simulated_arm(rng, levels=rng.normal(8.0, 0.5, 20), repeats=12)
    history = History(recorded, n_tasks=20, metrics=("total_tokens", "tool_calls"))
    setting = Setting(
        history=history,
        tasks=traits(20),
        at=(3, 5, 8, 12, 20),
        gates=gates or Gates(),
        max_infra_error_share=0.05,
    )
    return selftest(setting, evaluations=evaluations, seed=seed)


def test_a_prompt_against_itself_is_promoted_and_a_doubled_one_rejected() -> None:
    """The two ends that everybody knows; between them the power is what one wants to learn."""
    identical, *effects = rates()
    assert identical.factor == 1.0
    assert identical.promote.share >= 0.9
    assert identical.reject.share <= 0.02
    assert [each.factor for each in effects] == [1.10, 1.25, 1.50, 2.00]
    assert effects[-1].reject.share == 1.0
    assert effects[-1].mean_repeats == 3.0
    shares = [each.promote.share for each in (identical, *effects)]
    assert shares == sorted(shares, reverse=True)


def test_the_shares_of_each_kind_add_up() -> None:
    """Every evaluation has one verdict."""
    for each in rates(evaluations=20):
        total = each.promote.share + each.reject.share + each.inconclusive.share
        assert total == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_rates() -> None:
    """A figure in a report must be had again; another seed must not give it."""
    strict = Gates(mean_tokens=0.1)
    assert rates(evaluations=20, gates=strict) == rates(evaluations=20, gates=strict)
    seeds = [rates(evaluations=40, seed=seed, gates=strict)[0] for seed in (1, 2, 3)]
    assert len({each.mean_repeats for each in seeds}) > 1


def test_an_error_is_never_zero() -> None:
    """No false alarm in 100 evaluations is not none in a million."""
    assert 0.005 < rate(0, 100).error < 0.02
    assert rate(50, 100).error == pytest.approx(0.05, abs=0.002)


def test_flips_are_one_promote_and_one_reject() -> None:
    """Which share of pairs of identical evaluations contradict each other."""
    rng = np.random.default_rng(1)
    verdicts = rng.choice(
        ["promote", "reject", "inconclusive"], p=[0.6, 0.1, 0.3], size=(40_000, 2)
    )
    differ = (verdicts[:, 0] == "promote") & (verdicts[:, 1] == "reject")
    differ |= (verdicts[:, 0] == "reject") & (verdicts[:, 1] == "promote")
    found = flips(600, 100, 1000)
    assert found.share == pytest.approx(differ.mean(), abs=0.005)
    estimates = [
        2 * (draw == 0).mean() * (draw == 1).mean()
        for draw in rng.choice(3, p=[0.6, 0.1, 0.3], size=(2000, 1000))
    ]
    assert found.error == pytest.approx(np.std(estimates), rel=0.1)


def test_an_effect_makes_runs_dearer_and_nothing_else() -> None:
    """Latency and success stay as they were recorded."""
    before = arm(2, 3)
    after = scaled(before, 1.5)
    assert after.metrics["tool_calls"] == pytest.approx(before.metrics["tool_calls"] * 1.5)
    assert after.metrics["latency_s"] is before.metrics["latency_s"]
    assert replace(after, metrics=before.metrics).success is before.success


def log(folder: Path, *, repeats: int, prompts: tuple[str, ...] = ("mine",)) -> str:
    """A log of one prompt's runs on three golden tasks."""
    rng = np.random.default_rng(1)
    path = folder / "runs.jsonl"
    rows: list[dict[str, Any]] = [
        {
            "prompt": prompt,
            "task": f"t{task}",
            "tokens": int(np.exp(8 + task / 10 + rng.normal(0, 0.3))),
            "tool_calls": int(1 + rng.poisson(3)),
            "success": True,
            "model": "m" if repeat < repeats else "another",
        }
        for repeat in range(repeats + 1)
        for task in range(12)
        for prompt in prompts
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def test_the_command_says_rates_with_errors_and_what_few_runs_mean(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rate from six runs a task looks better than it is, and must say so."""
    here = workspace()
    flags = ["-c", str(here / "assay.yaml"), "--evaluations", "10", "--seed", "7"]
    runs, out = log(tmp_path, repeats=6), tmp_path / "rates.json"
    assert main(["selftest", *flags, "--runs", runs, "--json", str(out)]) == 0
    said = capsys.readouterr().out
    for words in ("false alarms (reject)", "flips", "mean repeats", "x1.25", "seed 7", "+-"):
        assert words in said
    assert "only 6 recorded runs" in said
    found = json.loads(out.read_text())
    assert found["recorded_runs"] == 72  # those of the other model are left out
    assert found["identical"]["evaluations"] == 10
    assert len(found["effects"]) == 4


def test_too_few_recorded_runs_are_refused_with_the_mend(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rates drawn from two runs a task would say nothing, in decimals."""
    here = workspace()
    flags = ["-c", str(here / "assay.yaml")]
    assert main(["selftest", *flags, "--runs", log(tmp_path, repeats=4)]) == 2
    assert main(["selftest", *flags]) == 2
    several = log(tmp_path, repeats=6, prompts=("one", "two"))
    assert main(["selftest", *flags, "--runs", several]) == 2
    assert main(["selftest", *flags, "--evaluations", "0"]) == 2
    err = capsys.readouterr().err
    assert "fewer than 5 recorded runs of t0 (4), t1 (4), t10 (4) and 9 more" in err
    assert "there are no recorded runs of support:v13" in err
    assert err.count("run an evaluation first: assay evaluate CANDIDATE --no-switch") == 2
    assert "make it active, or give a log of one prompt" in err
