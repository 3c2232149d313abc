"""Limits, spikes and hung runs: when they are said, and how often."""

import asyncio
import math
from datetime import timedelta

import pytest

from assay.monitors.breaches import Breach
from assay.monitors.looking import MonitorLook
from assay.monitors.spikes import MIN_HOURS, MIN_RUNS, HourOfTokens, spike
from assay.monitors.told import tell_new
from assay.receivers import AlertKind
from tests.monitors.conftest import NOW, V12, V13, Desk, Row, run, start

HOUR_S = 3600.0


def kinds(found: MonitorLook) -> list[str]:
    return [str(each.kind) for each in found.breaches]


def told(desk: Desk, found: MonitorLook) -> list[str]:
    async def tell(breach: Breach) -> None:
        said.append(f"{breach.kind} {breach.at:%d %H}")

    said: list[str] = []
    asyncio.run(tell_new(desk.folder / "results", found.breaches, tell, now=found.at))
    return said


def test_a_day_has_its_budget(desk: Desk) -> None:
    """From midnight to midnight UTC, over all prompts, runs without an id included."""
    desk.limit(max_spend_usd_per_day=1.0)
    desk.log(*(run(n, spend_usd=0.3, prompt_id=p) for n, p in enumerate((V12, V13, None))))
    desk.log(run("yesterday", ago_s=10 * HOUR_S, spend_usd=50))
    assert kinds(desk.look()) == []
    desk.log(run("one more", spend_usd=0.2))
    (breach,) = desk.look().breaches
    assert breach.words == "$1.10 spent on 2026-11-25, allowed $1.00"


def test_what_came_late_for_yesterday_is_still_said(desk: Desk) -> None:
    """The last runs of a day are logged after midnight."""
    desk.limit(max_spend_usd_per_day=1.0)
    desk.log(run(1, ago_s=9 * HOUR_S, spend_usd=2))
    assert kinds(desk.look(now=NOW.replace(hour=0))) == ["spend_limit"]
    assert kinds(desk.look(now=NOW.replace(hour=1))) == []


def test_an_hour_has_its_tool_calls(desk: Desk) -> None:
    """An agent in a loop is seen by what it does, before the bill comes."""
    desk.limit(max_actions_per_hour=10)
    desk.log(*(run(n, tool_calls=4, ago_s=60 + n * HOUR_S) for n in range(3)))
    assert kinds(desk.look()) == []
    desk.log(run("more", tool_calls=7))
    (breach,) = desk.look().breaches
    assert breach.words == "11 tool calls in the hour of 2026-11-25 08:00 UTC, allowed 10"


def week(tokens: int = 1000) -> list[Row]:
    """Two days of 25 runs an hour, which differ by the hour."""
    return [
        run(f"{hour}-{n}", ago_s=(hour + 1) * HOUR_S + n, total_tokens=tokens + 20 * (hour % 7) + n)
        for hour in range(48)
        for n in range(25)
    ]


def test_a_jump_of_tokens_is_found_in_the_hour_under_way(desk: Desk) -> None:
    """The incident ran for 36 hours before anybody looked."""
    desk.log(*week(), *(run(n, total_tokens=1900) for n in range(25)))
    (breach,) = desk.look().breaches
    assert (breach.kind, breach.prompt_id) == (AlertKind.TOKEN_SPIKE, V13)
    assert breach.words.endswith("x1.77 of the week before")
    desk.path.write_text(desk.path.read_text().replace("spike: true", "spike: false"))
    assert kinds(desk.look()) == []


def test_another_prompt_is_not_held_against_this_one(desk: Desk) -> None:
    """A new version may be dearer on purpose: whether it may is the canary's question."""
    desk.log(*week(), *(run(n, total_tokens=1900, prompt_id=V12) for n in range(25)))
    assert kinds(desk.look()) == []


@pytest.mark.parametrize(
    ("hour", "reference", "is_one"),
    [
        (HourOfTokens(1900, MIN_RUNS), MIN_HOURS, True),
        (HourOfTokens(1900, MIN_RUNS - 1), MIN_HOURS, False),
        (HourOfTokens(1900, MIN_RUNS), MIN_HOURS - 1, False),
        (HourOfTokens(1240, 1000), MIN_HOURS, False),
        (HourOfTokens(1260, 1000), MIN_HOURS, True),
    ],
)
def test_a_spike_needs_runs_hours_and_a_rise(
    hour: HourOfTokens, reference: int, is_one: bool
) -> None:
    """Five runs at night are no reason to wake somebody."""
    assert (spike(hour, [HourOfTokens(1000, 50)] * reference) is not None) == is_one


def test_hours_that_differ_allow_more() -> None:
    """Where mornings always are twice as dear as nights, a morning is no spike."""
    calm = [HourOfTokens(1000, 50)] * 48
    mixed = [HourOfTokens(1000 * math.exp(0.3 * (n % 3 - 1)), 50) for n in range(48)]
    assert spike(HourOfTokens(2000, 50), calm) is not None
    assert spike(HourOfTokens(2000, 50), mixed) is None
    spiked = calm[:44] + [HourOfTokens(4000, 50)] * 4
    assert spike(HourOfTokens(2000, 50), spiked) is not None


def test_a_breach_is_told_once(desk: Desk) -> None:
    """Not at every look, not after a restart, and not for every hour that it goes on."""
    desk.limit(max_actions_per_hour=10)
    desk.log(run(1, tool_calls=20))
    assert told(desk, desk.look()) == ["action_limit 25 08"]
    assert told(desk, desk.look()) == []
    hour = timedelta(hours=1)
    desk.log(run(2, tool_calls=20, ago_s=-HOUR_S))
    assert told(desk, desk.look(now=NOW + hour)) == []
    desk.log(run(3, tool_calls=20, ago_s=-4 * HOUR_S))
    assert told(desk, desk.look(now=NOW + 4 * hour)) == ["action_limit 25 12"]


def test_each_day_above_its_budget_is_told(desk: Desk) -> None:
    """Every day is a new budget, and a new bill."""
    desk.limit(max_spend_usd_per_day=1)
    for day in range(3):
        desk.log(run(day, spend_usd=3, ago_s=-86_400 * day))
        assert told(desk, desk.look(now=NOW + timedelta(days=day))) == [
            f"spend_limit {25 + day} 00"
        ]
        assert told(desk, desk.look(now=NOW + timedelta(days=day))) == []


def test_a_breach_that_could_not_be_told_is_told_by_the_next_look(desk: Desk) -> None:
    """A watch that is killed while it tells must not have told."""
    desk.limit(max_actions_per_hour=10)
    desk.log(run(1, tool_calls=20))
    found = desk.look()

    async def killed(_breach: Breach) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(tell_new(desk.folder / "results", found.breaches, killed, now=NOW))
    assert told(desk, found) == ["action_limit 25 08"]


def test_a_run_that_began_and_did_not_end_is_hung(desk: Desk) -> None:
    """After twice `budgets.max_seconds`, of 60 s here; and only of the last day."""
    desk.log(start(1, ago_s=119), start(2, ago_s=121), start(3, ago_s=500, prompt_id=V12))
    desk.log(start(4, ago_s=90_000), start(5, ago_s=500), run(5), name="runs-2.jsonl")
    assert desk.look().hung == {V12: 1, V13: 1}
    desk.log(run(3), name="runs-3.jsonl")  # it came late
    assert desk.look().hung == {V13: 1}


def test_a_start_that_comes_after_its_end_is_not_hung(desk: Desk) -> None:
    """Files of two collectors are read in any order."""
    desk.log(run(1), name="runs-1.jsonl")
    desk.look()
    desk.log(start(1, ago_s=500), name="runs-2.jsonl")
    assert desk.look().hung == {}
