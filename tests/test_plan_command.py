"""`assay plan` as people and scripts meet it: what it knows, what it does not, what it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.forecast.cost import short_form
from assay.plan import folder_of
from assay.records import RunRecord
from assay.store.parquet import write_runs
from tests.carrying_out import carried_out, planned
from tests.conftest import Workspace

RUNS, TOKENS = 2 * 27 * 20, "total_tokens"


def pilot(workspace: Path, **asked: Any) -> list[RunRecord]:
    """Three repeats of v14 against v13, as their evaluation leaves them; v13's runs."""
    plan = planned(workspace, "support:v14", **{"repeats": 3, **asked})
    runs = carried_out(plan)
    folder_of(plan).rebuild_parquet()
    return [run for run in runs if run.prompt_id == plan.baseline.prompt_id]


@pytest.fixture(scope="module")
def piloted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RunRecord]]:
    """A workspace with a pilot's runs, made once; look only."""
    from tests.conftest import copy_sample

    workspace = copy_sample(tmp_path_factory.mktemp("piloted") / "desk")
    return workspace, pilot(workspace)


def forecast(
    workspace: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> dict[str, Any]:
    """The JSON of `assay plan v15`."""
    config = str(workspace / "assay.yaml")
    assert main(["plan", "v15", "-c", config, "--json", "-", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def edit(workspace: Path, old: str, new: str) -> None:
    """Puts `new` where `old` stands in the configuration."""
    path = workspace / "assay.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_without_history_the_runs_are_known_and_a_pilot_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown is not zero; and the reader is told how to know."""
    here = workspace()
    assert main(["plan", "v15", "-c", str(here / "assay.yaml")]) == 0
    out = capsys.readouterr().out
    assert "1,080" in out
    assert "unknown" in out
    assert "assay evaluate support:v15 --repeats 3 --no-switch" in out
    found = forecast(here, capsys)
    assert found["recorded"] is None
    assert found["unchanged"] is None
    assert [cost["runs"] for cost in found["costs"]] == [162, RUNS]
    assert {cost["tokens"] for cost in found["costs"]} == {None}
    assert {gate["certifies"] for gate in found["gates"]} == {None}
    assert not (here / "results").exists()


def test_a_pilot_says_what_the_evaluation_will_take(
    piloted: tuple[Path, list[RunRecord]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens follow from the baseline's own runs on the same golden tasks."""
    here, runs = piloted
    found = forecast(here, capsys)
    assert found["recorded"] == {
        "evaluations": 1, "runs": 81, "golden_tasks": 27, "fewest_runs": 3
    }  # fmt: skip
    mean = sum(run.total_tokens or 0 for run in runs) / len(runs)
    first, typical, most = found["costs"]
    assert most["tokens"] == pytest.approx(mean * RUNS, abs=1)
    assert first["tokens"] < typical["tokens"] < most["tokens"]
    assert most["spend_usd"] is None
    assert most["minutes"] > 0
    assert found["unchanged"]["promote"] > 0.9
    assert all(gate["enough"] for gate in found["gates"])


def test_nothing_is_written(
    piloted: tuple[Path, list[RunRecord]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A question must leave no trace, least of all in `assay.yaml`."""
    here, _ = piloted
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    forecast(here, capsys)
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_the_page_fits_80_columns(
    piloted: tuple[Path, list[RunRecord]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A table that wraps cannot be read; markup in a name must not eat text."""
    here, _ = piloted
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["plan", "v15", "-c", str(here / "assay.yaml")]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for row in ("p95 tokens", "tail tokens", "mean tokens", "tool calls", "success"):
        assert any(line.startswith(row) for line in out.splitlines())
    assert "An unchanged prompt is promoted" in out


def test_a_gate_tighter_than_the_data_is_said_with_what_it_needs(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before spending, not after: an evaluation that cannot promote is money lost."""
    here = workspace()
    pilot(here)
    edit(here, "mean_tokens: 0.25", "mean_tokens: 0.04")
    found = forecast(here, capsys)
    (tight,) = [g for g in found["gates"] if (g["metric"], g["statistic"]) == (TOKENS, "mean")]
    assert tight["enough"] is False
    assert tight["repeats_needed"] > 20
    assert found["unchanged"]["promote"] < 0.8
    assert main(["plan", "v15", "-c", str(here / "assay.yaml")]) == 0
    assert "tighter than 20 repeats can certify" in " ".join(capsys.readouterr().out.split())


def test_runs_of_other_golden_tasks_or_models_do_not_count(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed golden task is another one, and another model's tokens say nothing."""
    here = workspace()
    pilot(here)
    golden = here / "golden" / "support.jsonl"
    lines = golden.read_text().splitlines()
    first = json.loads(lines[0])
    golden.write_text("\n".join([json.dumps(first | {"max_tokens": 1}), *lines[1:]]) + "\n")
    found = forecast(here, capsys)
    assert found["recorded"]["golden_tasks"] == 26
    assert any(first["id"] in note for note in found["notes"])
    edit(here, "model: scripted ", "model: test ")
    assert forecast(here, capsys)["recorded"] is None


def test_the_same_runs_again_count_once(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A simulation with the same seed says nothing new; with another it does."""
    here = workspace()
    for seed in (0, 0, 1):
        plan = planned(here, "support:v14", repeats=3, seed=seed)
        carried_out(plan)
        folder_of(plan).rebuild_parquet()
        folder_of(plan).decision.write_text("{}")  # so that it is not gone on with
    found = forecast(here, capsys)["recorded"]
    assert (found["evaluations"], found["runs"]) == (2, 162)


def test_a_damaged_file_hides_no_other(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that was full once must not end all planning."""
    here = workspace()
    pilot(here)
    plan = planned(here, "support:v14", repeats=4)
    carried_out(plan)
    (broken,) = folder_of(plan).rebuild_parquet()[:1]
    broken.write_bytes(b"PAR1")
    found = forecast(here, capsys)
    assert found["recorded"]["runs"] == 81
    assert any("cannot be read" in note for note in found["notes"])


def test_spend_is_known_where_runs_have_a_price(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Money is what a plan is mostly asked about; a budget too small for it is pointed out."""
    here = workspace()
    plan = planned(here, "support:v14", repeats=3)
    runs = carried_out(plan)
    priced = [run.model_copy(update={"spend_usd": 0.01}) for run in runs]
    write_runs(folder_of(plan).round_file(1), priced)
    edit(here, "  max_seconds: 60\n", "  max_seconds: 60\n  evaluation:\n    max_spend_usd: 2\n")
    found = forecast(here, capsys)
    assert found["costs"][-1]["spend_usd"] == pytest.approx(RUNS * 0.01)
    assert any("max_spend_usd (2)" in note for note in found["notes"])
    expected = short_form(planned(here, "support:v15"))
    assert expected is not None
    assert expected.endswith("~1.62 to 10.80 USD")


def test_the_short_form_is_one_line_or_nothing(
    piloted: tuple[Path, list[RunRecord]], workspace: Workspace
) -> None:
    """`evaluate` says it each time; without history there is nothing to say."""
    here, runs = piloted
    tokens = sum(run.total_tokens or 0 for run in runs) / len(runs) * RUNS / 1e6
    said = short_form(planned(here, "support:v15"))
    assert said is not None
    assert said.startswith("expected: 162 to 1,080 runs, ~0.")
    assert said.endswith(f" to {tokens:.1f} M tokens, spend unknown")
    assert short_form(planned(workspace(), "support:v15")) is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["support:v99"], "v99"),
        (["support:v13"], "both support:v13"),
        (["v15", "--repeats", "0"], "--repeats is 0"),
        (["v15", "--json", "no/such/folder.json"], "cannot be written"),
    ],
)
def test_bad_input_exits_2(
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    """As for `evaluate`: what is wrong, and what to do about it."""
    config = str(workspace() / "assay.yaml")
    assert main(["plan", *arguments, "-c", config]) == 2
    assert says in capsys.readouterr().err
