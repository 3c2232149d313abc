"""Was it the prompt? Simulated production (named as such) where the answer is known."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest

from assay.cli import main
from assay.errors import NotEnoughEvidence, NoVerdict
from assay.explain.explanation import Explanation, What, explain
from assay.explain.page import MAX_LINES, amount, explanation_page
from assay.explain.sides import Sides
from bench.explain import MIXED, NOW, SCENARIOS, covered, runs_of, simulate, truth
from tests.conftest import ROOT

ALL = {"p95 tokens", "mean tokens", "tool calls", "spend"}
LATER = NOW + timedelta(days=1)
SWITCHED = "2026-11-21T00:00Z"


def explained(*sides: pa.Table, at_the_same_time: bool = False) -> Explanation:
    """Between two tables of runs."""
    runs = pa.concat_tables(sides, promote_options="default")
    before = np.arange(len(runs)) < len(sides[0])
    return explain(
        runs,
        Sides(
            before=before,
            after=~before,
            before_words="before",
            after_words="after",
            at_the_same_time=at_the_same_time,
        ),
    )


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_the_incident_is_the_prompt_in_every_figure(random: np.random.Generator) -> None:
    """p95 x1.893, tool calls x2.75: the two hours on call that this command replaces."""
    found = explain(*simulate(SCENARIOS["prompt alone"], 400, random))
    assert found.blamed == (What.PROMPT,)
    assert found.clear(What.PROMPT).keys() == ALL


def test_a_change_of_mix_alone_is_never_blamed_on_the_prompt() -> None:
    """It moves every figure by half. Bench: 2 % of 200; here at most 1 of 20 fixed seeds."""
    blamed = 0
    for seed in range(20):
        runs, sides = simulate(SCENARIOS["mix alone"], 250, np.random.default_rng(seed))
        found = explain(runs, sides)
        assert What.MIX in found.blamed
        blamed += What.PROMPT in found.blamed
    assert blamed <= 1


def test_both_together_are_split_within_their_intervals() -> None:
    """Against the truth of two million runs; each of six seeds may miss once in 20."""
    scenario = SCENARIOS["both"]
    really = truth(scenario)
    missed = 0
    for seed in range(6):
        found = explain(*simulate(scenario, 400, np.random.default_rng(100 + seed)))
        assert found.blamed == (What.PROMPT, What.MIX)
        missed += not all(covered(found, really).values())
    assert missed <= 2


def test_the_parts_add_up_to_the_change(random: np.random.Generator) -> None:
    """Nobody has to wonder where the rest went."""
    found = explain(*simulate(SCENARIOS["both"], 300, random))
    for change in found.changes.values():
        parts = sum(share.estimate for share in change.parts.values())
        assert parts == pytest.approx(change.after - change.before)
        assert change.total.estimate == pytest.approx(change.after - change.before)


def test_means_are_split_as_kitagawa_has_it(random: np.random.Generator) -> None:
    """By hand, from the formula in docs/statistics.md."""
    runs, sides = simulate(SCENARIOS["both"], 300, random)
    found = explain(runs, sides).changes["tool calls"]
    calls, kinds = runs["tool_calls"].to_numpy(), np.array(runs["category"].to_pylist())
    prompt = mix = 0.0
    for kind in set(kinds):
        shares = [np.mean(kinds[side] == kind) for side in (sides.before, sides.after)]
        means = [calls[side & (kinds == kind)].mean() for side in (sides.before, sides.after)]
        prompt += sum(shares) / 2 * (means[1] - means[0])
        mix += (shares[1] - shares[0]) * sum(means) / 2
    by_what = {str(part): share.estimate for part, share in found.parts.items()}
    assert by_what.pop("traffic mix") == pytest.approx(mix)
    assert list(by_what.values()) == [pytest.approx(prompt)]


def test_prompt_and_model_that_changed_together_are_not_told_apart(
    random: np.random.Generator,
) -> None:
    """Blaming the prompt then would be a guess."""
    found = explained(
        runs_of("v13", 200, random),
        runs_of("v14", 200, random, tokens=1.9, calls=2.0, model="sim-2", at=LATER),
    )
    assert found.blamed == ()
    assert found.cannot_tell == (
        "prompt and model (sim-1, then sim-2) changed together, and never ran apart",
    )
    assert What.PROMPT not in found.parts.values()


def test_runs_in_between_tell_prompt_and_model_apart(random: np.random.Generator) -> None:
    """The old prompt on the new model, for some hours: which was the dear one shows."""
    found = explained(
        runs_of("v13", 300, random),
        pa.concat_tables(
            [
                runs_of("v13", 200, random, model="sim-2", at=LATER),
                runs_of("v14", 300, random, tokens=1.9, model="sim-2", at=LATER),
            ]
        ),
    )
    assert found.cannot_tell == ()
    assert What.PROMPT in found.blamed
    assert What.ENVIRONMENT not in found.blamed
    assert What.PROMPT in found.shown
    assert found.cells.after.left_out == 200


def test_another_model_under_one_prompt_is_the_model(random: np.random.Generator) -> None:
    """A provider's new version, with which the prompt has nothing to do."""
    found = explained(
        runs_of("v13", 200, random),
        runs_of("v13", 200, random, tokens=1.9, model="sim-2", at=LATER),
    )
    assert What.ENVIRONMENT in found.blamed
    assert What.PROMPT not in found.parts.values()


def test_what_no_column_says_is_not_the_prompt(random: np.random.Generator) -> None:
    """A full knowledge base, a slow tool: the same prompt, model and mix, and more tokens."""
    found = explained(runs_of("v13", 200, random), runs_of("v13", 200, random, tokens=1.9))
    assert found.blamed == (What.OTHER,)


def test_a_drift_of_all_traffic_is_told_from_the_prompt_by_a_canary(
    random: np.random.Generator,
) -> None:
    """v13 ran on beside v14: what rose for both was not the prompt."""
    after = [
        runs_of("v13", 200, random, tokens=1.6, at=LATER),
        runs_of("v14", 300, random, tokens=1.6, at=LATER),
    ]
    found = explained(runs_of("v13", 300, random), pa.concat_tables(after))
    assert What.OTHER in found.blamed
    assert What.PROMPT not in found.blamed


def without(table: pa.Table, *names: str) -> pa.Table:
    return table.drop_columns(list(names))


Change = Callable[[pa.Table], pa.Table]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda runs: without(runs, "category"), "prompt or traffic?"),
        (lambda runs: without(runs, "model"), "prompt or model?"),
    ],
)
def test_what_the_log_does_not_say_is_not_guessed(
    random: np.random.Generator, change: Change, why: str
) -> None:
    """The prompt changed at one moment: whatever else did then could be it."""
    found = explained(
        change(runs_of("v13", 200, random)), change(runs_of("v14", 200, random, tokens=2.0))
    )
    assert found.cannot_tell[0].startswith(why)
    assert found.blamed == ()


def test_what_cannot_be_told_apart_stands_in_nobodys_way_where_it_is_nothing(
    random: np.random.Generator,
) -> None:
    """A change of mix is one, whether or not the log says the model."""
    runs, sides = simulate(SCENARIOS["mix alone"], 400, random)
    found = explain(without(runs, "model"), sides)
    assert found.cannot_tell == ()
    assert found.blamed == (What.MIX,)
    assert any(note.startswith("prompt or model?") for note in found.notes)


def test_prompts_that_ran_at_the_same_time_need_neither(random: np.random.Generator) -> None:
    """A canary's users are drawn by lot: model and traffic are the same for both."""
    arms = [
        without(runs_of("v13", 200, random), "category", "model"),
        without(runs_of("v14", 200, random, tokens=2.0), "category", "model"),
    ]
    found = explained(*arms, at_the_same_time=True)
    assert found.blamed == (What.PROMPT,)
    assert found.shown == {What.PROMPT}


def test_a_new_kind_of_traffic_is_refused(random: np.random.Generator) -> None:
    """What complaints would have cost under the old prompt, nobody knows."""
    with pytest.raises(NoVerdict, match=r"'complaint' has 0 runs \(0%\) before and"):
        explained(
            runs_of("v13", 200, random, mix=(0.4, 0.3, 0.3, 0.0)),
            runs_of("v14", 200, random, mix=MIXED),
        )


def test_a_rare_kind_of_traffic_is_left_out_and_said(random: np.random.Generator) -> None:
    """A few runs of a kind that nobody knew are no reason to say nothing of the others."""
    found = explained(
        runs_of("v13", 300, random, mix=(0.4, 0.3, 0.3, 0.0)),
        runs_of("v14", 300, random, mix=(0.4, 0.3, 0.27, 0.03), tokens=1.9),
    )
    assert What.PROMPT in found.blamed
    assert any("runs of rare categories are left out" in note for note in found.notes)


def test_few_runs_are_refused(random: np.random.Generator) -> None:
    """Exit code 3 as well: nothing can be said."""
    with pytest.raises(NotEnoughEvidence, match="30 or more"):
        explained(runs_of("v13", 29, random), runs_of("v14", 200, random))


def test_spend_that_is_not_known_stays_so(random: np.random.Generator) -> None:
    """Null is not free; and other prices are not the prompt."""
    null = pa.nulls(200, pa.float64())
    arms = [runs_of("v13", 200, random), runs_of("v14", 200, random, tokens=2.0)]
    unknown = [arm.set_column(6, "spend_usd", null) for arm in arms]
    found = explained(*unknown)
    assert "spend" not in found.changes
    assert "spend: not in the log" in found.notes
    priced = [
        arm.append_column("price_table", pa.array([name] * 200))
        for arm, name in zip(arms, ("a", "b"), strict=True)
    ]
    assert "spend: the prices changed, so it is not split" in explained(*priced).notes


def test_users_that_come_again_widen_the_intervals(random: np.random.Generator) -> None:
    """Ten runs of one user are not ten users."""
    scenario = SCENARIOS["mix alone, users"]
    runs, sides = simulate(scenario, 400, random)
    of_users = explain(runs, sides).changes["mean tokens"].total
    alone = explain(without(runs, "user"), sides).changes["mean tokens"].total
    assert of_users.upper - of_users.lower > 1.05 * (alone.upper - alone.lower)


def test_hostile_names_are_bounded_and_mean_nothing(random: np.random.Generator) -> None:
    """The page is pasted where @channel wakes people, and a fence could be closed."""
    evil = "```\n<!channel> [click](http://evil) " + "x" * 5_000
    arms = [runs_of("v13", 100, random), runs_of("v14", 100, random, tokens=3.0, model=evil)]
    column = pa.array([f"{evil}:v14:0"] * 100)
    found = explained(arms[0], arms[1].set_column(0, "prompt_id", column))
    lines = explanation_page(found).splitlines()
    assert len(lines) <= MAX_LINES
    assert max(map(len, lines)) < 600
    assert [line for line in lines if "```" in line] == ["```", "```"]
    outside = "\n".join(lines[lines.index("```", 2) :])
    assert "<!channel>" not in outside
    assert "http://" not in outside


@pytest.fixture
def logs(tmp_path: Path, random: np.random.Generator) -> Path:
    """A day before and a day after a switch, as JSON lines and CSV."""
    before, after = (
        runs_of("v13", 300, random),
        runs_of("v14", 300, random, mix=MIXED, tokens=1.893, calls=2.75, at=LATER),
    )
    rows = pa.concat_tables([before, after]).to_pylist()
    torn = '{"prompt_id": "support:v1'
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "runs.jsonl").write_text("\n".join([*lines, torn]))
    pa.csv.write_csv(before, tmp_path / "before.csv")
    pa.csv.write_csv(after, tmp_path / "after.csv")
    return tmp_path


def told(*arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["explain", *arguments, "--json", "-"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_times_ranges_prompts_and_files_name_the_same_runs(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is on call has one of them at hand."""
    runs = ("--runs", str(logs / "runs.jsonl"))
    day = "2026-11-20T10:00Z/2026-11-20T23:00Z"
    asked = [
        ("--split-at", SWITCHED, *runs),
        ("--before", SWITCHED, "--after", SWITCHED, *runs),
        ("--before", day, "--after", "2026-11-21T10:00Z/2026-11-22T10:00Z", *runs),
        ("--before", "v13", "--after", "support:v14", *runs),
        ("--before", str(logs / "before.csv"), "--after", str(logs / "after.csv")),
    ]
    found = [told(*each, capsys=capsys) for each in asked]
    assert all(each["blamed"] == ["prompt", "traffic mix"] for each in found)
    assert len({json.dumps(each["metrics"]) for each in found[:4]}) == 1
    assert found[4]["metrics"][1]["before"] == pytest.approx(found[0]["metrics"][1]["before"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--before", "v13"), "what is compared with what?"),
        (("--before", "v13", "--after", "v13"), "before and after are the same"),
        (("--before", "v13", "--after", "v99"), "'v99' is no prompt of the runs, no file and no"),
        (("--split-at", "noon"), "--split-at 'noon' is no time"),
        (("--before", "2020-01-01", "--after", SWITCHED), "no run is until 2020-01-01"),
        (("--before", "2026-11-21T12:00Z", "--after", SWITCHED), "runs are before and after"),
        (("--before", f"{SWITCHED}/2026-11-20", "--after", "v14"), "ends before it begins"),
        (("--before", "v13", "--after", "v14", "--column", "x=y"), "names no column of ours"),
        (("--before", "v13", "--after", "v14", "--column", "category=y"), "no column 'y'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    logs: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], problem: str
) -> None:
    """Exit code 2, and how to say it."""
    assert main(["explain", *arguments, "--runs", str(logs / "runs.jsonl")]) == 2
    assert problem in capsys.readouterr().err


def test_a_refusal_is_a_page_and_exit_code_3(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The channel sees the figures, and why nobody is blamed."""
    rows = [json.loads(line) for line in (logs / "runs.jsonl").read_text().splitlines()[:-1]]
    for row in rows:
        row["model"] = "sim-2" if ":v14:" in row["prompt_id"] else "sim-1"
    (logs / "two.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = ["explain", "--split-at", SWITCHED, "--runs", str(logs / "two.jsonl")]
    assert main(asked) == 3
    out = capsys.readouterr().out
    assert out.startswith("**The data cannot tell what it was: prompt and model")
    assert "not told apart" in out


def test_the_sample_page_is_what_the_command_prints(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Documentation that nobody ran is a guess."""
    asked = ["explain", "--split-at", SWITCHED, "--runs", str(logs / "runs.jsonl")]
    assert main(asked) == 0
    page = capsys.readouterr().out
    text = (ROOT / "docs" / "explain.md").read_text()
    assert f"````markdown\n{page}````\n" in text, page


def test_productions_own_logs_are_read_where_none_are_named(
    tmp_path: Path, random: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the clients write them: several files, two lines a run; a start alone is no run."""
    config = tmp_path / "assay.yaml"
    config.write_text(
        "prompts: {active: support:v14, rollback: support:v13}\n"
        "rollout: {canary: {run_log: logs/runs-*.jsonl}}\n"
    )
    (tmp_path / "logs").mkdir()
    arms = [runs_of("v13", 60, random), runs_of("v14", 60, random, tokens=3.0, at=LATER)]
    for number, arm in enumerate(arms):
        lines = []
        for each, row in enumerate(arm.to_pylist()):
            about = {"run_id": f"{number}-{each}", "prompt_id": row["prompt_id"]}
            about["started_at"] = row["started_at"]
            lines += [{"event": "agent_start", **about}, {**row, "event": "agent_end", **about}]
        lines.append({"event": "agent_start", **about, "run_id": "hung"})
        log = tmp_path / "logs" / f"runs-{number}.jsonl"
        log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = told("--split-at", SWITCHED, "-c", str(config), capsys=capsys)
    assert (found["before"]["runs"], found["after"]["runs"]) == (60, 60)
    assert found["notes"][0] == "10 runs of rare categories are left out"
    assert found["blamed"] == ["prompt"]


def with_ids(table: pa.Table, first: int) -> pa.Table:
    ids = [str(first + each) for each in range(len(table))]
    return table.append_column("run_id", pa.array(ids))


def test_a_file_that_is_a_side_keeps_its_runs_though_the_logs_have_them_too(
    tmp_path: Path, random: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pattern that names production's logs names yesterday's file as well."""
    for number, table in enumerate(
        [runs_of("v13", 100, random), runs_of("v14", 100, random, tokens=3.0, at=LATER)]
    ):
        pa.csv.write_csv(with_ids(table, 100 * number), tmp_path / f"runs-{number}.csv")
    runs = ("--runs", str(tmp_path / "runs-*.csv"))
    (tmp_path / "old.csv").write_bytes((tmp_path / "runs-0.csv").read_bytes())
    for name in ("runs-0.csv", "old.csv"):
        found = told("--before", str(tmp_path / name), "--after", "v14", *runs, capsys=capsys)
        assert (found["before"]["runs"], found["after"]["runs"]) == (100, 100)


def test_files_that_share_run_ids_are_no_two_sides(
    tmp_path: Path, random: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted on one side alone, such runs would leave the other without them, unsaid."""
    tables = [runs_of("v13", 100, random), runs_of("v14", 100, random, at=LATER)]
    for name, table, first in zip(("before", "after"), tables, (0, 90), strict=True):
        pa.csv.write_csv(with_ids(table, first), tmp_path / f"{name}.csv")
    sides = [str(tmp_path / f"{name}.csv") for name in ("before", "after")]
    assert main(["explain", "--before", sides[0], "--after", sides[1]]) == 2
    assert "10 run_ids stand in both files" in capsys.readouterr().err


def test_next_to_nothing_has_no_sign_of_its_own() -> None:
    """`-$0.0000` is no figure."""
    said = [amount(metric, -1e-9, signed=True) for metric in ("spend", "tool calls", "mean tokens")]
    assert said == ["+$0.0000", "+0.00", "+0"]


def test_length_of_the_input_stands_in_for_a_category(random: np.random.Generator) -> None:
    """Better than nothing, and the page says by what it went."""
    arms = [runs_of("v13", 300, random), runs_of("v14", 300, random, mix=MIXED)]
    lengths = [
        pc.cast(pc.utf8_length(pc.cast(arm["category"], pa.string())), pa.float64()) for arm in arms
    ]
    found = explained(
        *(
            without(arm, "category").append_column("input", each)
            for arm, each in zip(arms, lengths, strict=True)
        )
    )
    assert found.cells.traffic_by == "length of the input"
    assert What.PROMPT not in found.blamed
