"""`assay monitor` and `assay status` as typed, with a real receiver of alerts."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from assay.monitors.figures import day_of, hour_of
from tests.commands import Assay
from tests.conftest import Workspace
from tests.fakes.alert_receivers import TAKEN, FakeWebhook
from tests.monitors.conftest import V13, run

SECTION = """
alerts:
  - kind: webhook
    url_env: UP
rollout:
  monitors:
    max_actions_per_hour: 100
    max_spend_usd_per_day: 2.5
"""


def write(here: Path, n: int, *, tool_calls: int = 3) -> None:
    """Log runs of just now."""
    now = datetime.now(UTC)
    rows = [
        run(f"{tool_calls}-{i}", prompt_id=V13, tool_calls=tool_calls)
        | {"started_at": None, "ended_at": now.isoformat()}
        for i in range(n)
    ]
    (here / "logs").mkdir(exist_ok=True)
    with (here / "logs" / "runs-1.jsonl").open("a") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)


async def test_a_breach_is_said_and_sent_once(assay: Assay, workspace: Workspace) -> None:
    """The exit code is for a script, the alert for whoever sleeps; a second look is silent."""
    here = workspace()
    (here / "assay.yaml").write_text((here / "assay.yaml").read_text() + SECTION)
    write(here, 10)
    async with FakeWebhook([TAKEN]) as up:
        once = partial(asyncio.to_thread, assay, here, "monitor", "--once", UP=up.url)
        calm = await once()
        assert (calm.exit_code, up.asked) == (0, []), calm.err
        assert f"24 h, {V13} (active): 10 runs, each 1,000 tokens, 3.0 tool calls" in calm.out
        write(here, 10, tool_calls=30)
        above = await asyncio.to_thread(assay, here, "monitor", "--once", "--json", UP=up.url)
        assert above.exit_code == 3, above.err
        (breach,) = json.loads(above.out)["breaches"]
        assert (breach["kind"], breach["told"]) == ("action_limit", True)
        again = await once()
        assert (again.exit_code, len(up.asked)) == (3, 1), again.err
    told = up.asked[0].body
    assert (told["kind"], told["severity"]) == ("action_limit", "warning")
    assert told["facts"]["limit"] == 100


def test_status_shows_what_production_uses(assay: Assay, workspace: Workspace) -> None:
    """The first thing that one types at night."""
    here = workspace()
    assert "production" not in assay(here, "status").out
    write(here, 4)
    said = assay(here, "status").out
    assert "production (UTC)" in said
    assert f"24 h, {V13} (active): 4 runs, each 1,000 tokens, 3.0 tool calls, $0.0100" in said
    assert "tool calls of" not in said  # there is no limit


def test_no_logs_are_an_error_for_a_monitor(assay: Assay, workspace: Workspace) -> None:
    """A watch that watches nothing must not look well."""
    ran = assay(workspace(), "monitor", "--once")
    assert ran.exit_code == 2
    assert "no run log is there" in ran.err


@pytest.mark.parametrize("hours", [0, 5, 23])
def test_hours_and_days_are_those_of_utc(hours: int) -> None:
    """Everybody who looks must see the same day."""
    at = datetime(2026, 11, 25, tzinfo=UTC) + timedelta(hours=hours, minutes=59)
    assert hour_of(at.astimezone()).hour == hours
    assert day_of(at.astimezone()) == datetime(2026, 11, 25, tzinfo=UTC)
