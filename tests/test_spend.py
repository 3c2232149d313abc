"""Money is a hard limit: no run is started that could take an evaluation over it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.config import Budgets, EvaluationBudgets, load_config
from assay.errors import InputError
from assay.evaluation import open_evaluation
from assay.ledger import Ledger
from assay.records import RunRecord
from tests.carrying_out import carried_out, planned, runs_of
from tests.conftest import Workspace

PRICES = "  prices: {scripted: {input_per_mtok: 10, output_per_mtok: 100}}\n"
TIER = "{above_input_tokens: 9, input_per_mtok: 1, output_per_mtok: 1}"
LIMITS = "  max_seconds: 60\n"


def priced(folder: Path, limits: str = "", prices: str = PRICES) -> Path:
    """The sample, with a price for its simulated model and further budgets."""
    config = folder / "assay.yaml"
    text = config.read_text()
    for old, new in ((LIMITS, LIMITS + limits), ("  tools: ", f"{prices}  tools: ")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    config.write_text(text)
    return folder


def carried(folder: Path, *, at_once: int = 16) -> tuple[list[RunRecord], str | None]:
    """Every run that the evaluation's budget lets it make, and the budget that ended it."""

    async def carry_out() -> tuple[list[RunRecord], str | None]:
        plan = planned(folder, "v14", repeats=3)
        async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=at_once) as one:
            (this_round,) = one.rounds()
            await asyncio.gather(*runs_of(one, this_round))
            return one.folder.finished_runs(), one.budget_spent

    return asyncio.run(carry_out())


def spent(runs: list[RunRecord]) -> float:
    return sum(run.spend_usd or 0.0 for run in runs)


def test_every_run_bears_its_spend_and_the_table_that_it_was_computed_with(
    workspace: Workspace,
) -> None:
    """A spend of unknown prices cannot be compared with another one."""
    runs = carried_out(planned(priced(workspace()), "v14", repeats=1))
    for run in runs:
        assert run.input_tokens is not None
        assert run.output_tokens is not None
        dollars = run.input_tokens * 10e-6 + run.output_tokens * 100e-6
        assert run.spend_usd == pytest.approx(dollars)
    (table,) = {run.price_table for run in runs}
    assert table is not None
    assert table.startswith("config ")


def test_an_evaluation_never_spends_more_than_its_limit(workspace: Workspace) -> None:
    """Sixteen runs under way at once would else overrun it by fifteen."""
    limits = "  max_spend_usd: 0.3\n  evaluation: {max_spend_usd: 1.5}\n"
    runs, budget = carried(priced(workspace(), limits))
    assert budget == "max_spend_usd"
    assert 1.5 - 0.3 <= spent(runs) <= 1.5


def test_a_limit_that_is_not_reached_changes_nothing(workspace: Workspace) -> None:
    """A safety net must not cost an evaluation its runs."""
    free, _ = carried(priced(workspace()))
    bounded, budget = carried(priced(workspace(), "  evaluation: {max_spend_usd: 1000}\n"))
    assert budget is None
    assert len(bounded) == len(free)


@pytest.mark.parametrize("key", ["max_spend_usd: 1", "evaluation: {max_spend_usd: 1}"])
def test_a_limit_in_dollars_needs_a_price(workspace: Workspace, key: str) -> None:
    """Where nothing has a price, a limit in dollars would never be reached."""
    other = PRICES.replace("scripted", "openai:gpt-5")
    folder = priced(workspace(), f"  {key}\n", prices=other)
    with pytest.raises(InputError, match=r"no price is known for 'scripted'\n.*agent\.prices"):
        carried_out(planned(folder, "v14", repeats=1))
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("limits", "prices", "problem"),
    [
        (
            "  max_spend_usd: 2\n  evaluation: {max_spend_usd: 1}\n",
            PRICES,
            r"one run may use max_spend_usd 2, the whole evaluation only 1",
        ),
        ("", PRICES.replace("100", "-1"), r"output_per_mtok must be at least 0, not -1"),
        ("", PRICES.replace(", output_per_mtok: 100", ""), r"has no 'output_per_mtok'"),
        ("", PRICES.replace("input_per_mtok", "input"), r"unknown key 'input'"),
        (
            "",
            PRICES.replace("100}", f"100, tiers: [{TIER}, {TIER}]}}"),
            r"two tiers begin above 9 input tokens",
        ),
    ],
)  # fmt: skip
def test_limits_and_prices_that_make_no_sense_are_refused_with_their_line(
    workspace: Workspace, limits: str, prices: str, problem: str
) -> None:
    """A misread price is a wrong verdict on spend, and a limit that does not hold."""
    folder = priced(workspace(), limits, prices)
    with pytest.raises(InputError, match=rf"assay\.yaml:\d+: .*{problem}"):
        load_config(folder / "assay.yaml", {})


def ended(name: str, spend_usd: float | None) -> RunRecord:
    return RunRecord(
        evaluation_id="e",
        run_id=name,
        prompt_name="p",
        prompt_version="v1",
        prompt_id="p:v1:000000000000",
        golden_task_id="t",
        golden_task_hash="0" * 16,
        category=None,
        repeat=1,
        round=1,
        agent="a",
        model="m",
        model_params_hash="0" * 12,
        tools_hash="0" * 12,
        started_at=datetime(2026, 11, 23, tzinfo=UTC),
        latency_s=0.0,
        stop_reason="finish",
        spend_usd=spend_usd,
    )


def ledger_of(limit: float, per_run: float | None, begun: tuple[str, ...] = ()) -> Ledger:
    whole = EvaluationBudgets(max_spend_usd=limit)
    budgets = Budgets(max_spend_usd=per_run, evaluation=whole)
    return Ledger.of(budgets, finished=(), begun=begun)


@given(
    runs=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5)), min_size=1, max_size=40),
    limit=st.integers(100, 900),
    begun=st.integers(0, 3),
    per_run=st.sampled_from([1.0, None]),
)
def test_whatever_runs_cost_and_however_they_overlap_the_limit_holds(
    runs: list[tuple[int, int]], limit: int, begun: int, per_run: float | None
) -> None:
    """The order in which runs end is not ours to choose. Costs in cents, at most a dollar each."""
    ledger = ledger_of(limit / 100, per_run, tuple(str(n) for n in range(begun)))
    if per_run is None:  # then it is as good as what is known: here the first run is the dearest
        runs = [(100, 0), *runs]
    made: list[int] = []

    async def make(name: str, cents: int, turns: int) -> None:
        async with ledger.admission(name) as refused_by:
            if refused_by is None:
                for _ in range(turns):
                    await asyncio.sleep(0)
                ledger.count(ended(name, cents / 100))
                made.append(cents)

    async def all_of_them() -> None:
        await asyncio.gather(*(make(str(n), *run) for n, run in enumerate(runs)))

    asyncio.run(all_of_them())
    assert sum(made) <= limit
    if len(made) < len(runs):
        assert sum(made) > limit - 100 * (1 + begun)


async def test_runs_go_one_at_a_time_until_it_is_known_what_one_costs() -> None:
    """Without a limit of one run's, the first could cost anything."""
    ledger = ledger_of(10.0, None)
    under_way: list[int] = [0]
    seen: list[int] = []
    both_in = asyncio.Event()

    async def make(name: str) -> None:
        async with ledger.admission(name) as refused_by:
            assert refused_by is None
            under_way[0] += 1
            seen.append(under_way[0])
            if name == "0":
                await asyncio.sleep(0)
            elif under_way[0] == 4:
                both_in.set()
            else:
                await both_in.wait()
            under_way[0] -= 1
            ledger.count(ended(name, 1.0))

    await asyncio.gather(*(make(str(n)) for n in range(5)))
    assert seen == [1, 1, 2, 3, 4]


async def test_a_run_whose_spend_nobody_knows_may_have_cost_all_that_a_run_may() -> None:
    """Counted as nothing, it would lift the limit; with no limit of its own, nothing is left."""
    for per_run, refused in ((4.0, None), (None, "max_spend_usd")):
        ledger = ledger_of(10.0, per_run)
        async with ledger.admission("0"):
            ledger.count(ended("0", None))
        async with ledger.admission("1") as refused_by:
            assert refused_by == refused
