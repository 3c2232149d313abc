"""How often the token-spike rule is wrong and how soon it is right; what a look costs.

    python bench/monitors.py            # both
    python bench/monitors.py spikes
    python bench/monitors.py cost

The traffic is simulated: runs by hour follow the day and the week, tokens are lognormal, what is
asked moves with the hour and from day to day, one run in a hundred is ten times as dear.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from assay.monitors.spikes import HourOfTokens, spike

WEEK = 168
LOOKS = 12
"""In an hour."""
Floats = np.ndarray


def hours_of_runs(rng: np.random.Generator, n_hours: int, per_hour: float) -> Iterator[Floats]:
    """The tokens of each run, hour by hour, in the order of the runs."""
    drift = 0.0
    for hour in range(n_hours):
        of_day = np.sin(2 * np.pi * (hour % 24 - 9) / 24)
        weekend = 0.5 if (hour // 24) % 7 >= 5 else 1.0
        if hour % 24 == 0:
            drift = 0.7 * drift + rng.normal(0, 0.04)
        mix = 0.08 * of_day + drift + rng.normal(0, 0.03)
        runs = rng.poisson(per_hour * weekend * (1 + 0.8 * of_day))
        dear = np.where(rng.random(runs) < 0.01, 10.0, 1.0)
        yield np.exp(rng.normal(8.3 + mix, 0.7, runs)) * dear


def of_hour(tokens: Floats) -> HourOfTokens:
    """As the digest has it."""
    return HourOfTokens(float(np.exp(np.log(tokens).mean())) if tokens.size else 1.0, tokens.size)


def looks(tokens: Floats) -> Iterator[HourOfTokens]:
    """The hour as it fills, twelve times."""
    for part in range(1, LOOKS + 1):
        seen = tokens[: round(len(tokens) * part / LOOKS)]
        if seen.size:
            yield of_hour(seen)


def false_alarms(per_hour: float, weeks: int, seed: int) -> tuple[int, int]:
    """Breaches in so many weeks of one prompt, and weeks that have any."""
    breaches = with_any = 0
    for week in range(weeks):
        rng = np.random.default_rng([seed, week])
        hours = list(hours_of_runs(rng, 2 * WEEK, per_hour))
        known = [of_hour(tokens) for tokens in hours]
        fired = [
            any(spike(look, known[at - WEEK : at]) for look in looks(hours[at]))
            for at in range(WEEK, 2 * WEEK)
        ]
        begun = sum(now and not before for before, now in itertools.pairwise([False, *fired]))
        breaches += begun
        with_any += begun > 0
    return breaches, with_any


def found_after(per_hour: float, rise: float, weeks: int, seed: int) -> tuple[float, float]:
    """Share of jumps that are found within three hours, and the median minutes until then."""
    minutes = []
    for week in range(weeks):
        rng = np.random.default_rng([seed, week])
        hours = list(hours_of_runs(rng, WEEK + 27, per_hour))
        known = [of_hour(tokens) for tokens in hours]
        start = WEEK + int(rng.integers(0, 24))
        minutes.append(np.inf)
        for at in range(start, start + 3):
            found = [
                60 * (at - start) + 60 * look.runs / hours[at].size
                for look in looks(hours[at] * rise)
                if spike(look, known[at - WEEK : at])
            ]
            if found:
                minutes[-1] = found[0]
                break
    return float(np.isfinite(minutes).mean()), float(np.median(minutes))


def measure_spikes(weeks: int = 200) -> None:
    """Print the rates, each with its error."""
    print(f"false alarms: {weeks} weeks of one prompt, {LOOKS} looks an hour")
    for per_hour in (30, 100, 300, 1000):
        breaches, any_ = false_alarms(per_hour, weeks, seed=1)
        print(f"  {per_hour:5} runs an hour: {breaches / weeks:.3f} a week, {any_ / weeks:.1%} of "
              f"weeks have one")  # fmt: skip
    print(f"jumps of all runs, {weeks} each: found within three hours, median minutes")
    for per_hour, rise in itertools.product((30, 100, 300), (1.25, 1.5, 1.9)):
        share, minutes = found_after(per_hour, rise, weeks, seed=2)
        print(f"  {per_hour:5} runs an hour, x{rise:.2f}: {share:.0%}, {minutes:.0f} min")


def write_logs(folder: Path, n_runs: int, n_files: int) -> int:
    """Logs as the client writes them, of the last two days; their bytes."""
    from assay.prompts import load_prompt

    rng = np.random.default_rng(1)
    ids = [load_prompt(folder / "prompts", f"support:{v}").prompt_id for v in ("v12", "v13")]
    (folder / "logs").mkdir()
    first = datetime.now(UTC) - timedelta(hours=48)
    step = timedelta(hours=48) / n_runs
    for number in range(n_files):
        lines = []
        for run in range(number * n_runs // n_files, (number + 1) * n_runs // n_files):
            began, took = first + run * step, float(rng.exponential(3))
            about = {
                "run_id": f"{run:032x}", "golden_task_id": None, "category": "returns",
                "agent": None, "model": "small-1", "prompt_id": ids[run % 2],
                "prompt_name": "support", "prompt_version": "v13",
                "started_at": began.isoformat().replace("+00:00", "Z"),
            }  # fmt: skip
            limits = {"max_steps": 25, "max_tool_calls": 12, "max_seconds": 60.0}
            lines.append({"event": "agent_start", **about, "budgets": limits})
            used = int(rng.lognormal(8.3, 0.6))
            lines.append({
                "event": "agent_end", **about,
                "ended_at": (began + timedelta(seconds=took)).isoformat().replace("+00:00", "Z"),
                "latency_s": took, "input_tokens": used - 90, "output_tokens": 90,
                "cached_tokens": None, "reasoning_tokens": None, "total_tokens": used, "steps": 4,
                "tool_calls": 3, "denied_tool_calls": 0,
                "tool_calls_by_tool": {"kb_search": 2, "orders": 1}, "spend_usd": used * 3e-6,
                "stop_reason": "finish", "success": None, "output": "x" * 120, "error": None,
            })  # fmt: skip
        path = folder / "logs" / f"runs-{number:03}.jsonl"
        path.write_text("".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))
    return sum(path.stat().st_size for path in (folder / "logs").iterdir())


def measure_cost(n_runs: int = 100_000, n_files: int = 6) -> None:
    """Print how long `assay status` takes, as typed."""
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in ("assay.yaml", "prompts", "golden", "support_desk"):
            (folder / each).symlink_to(root / each)
        timed("assay status, no logs", folder, "status")
        size = write_logs(folder, n_runs, n_files)
        print(f"{n_runs:,} runs in {n_files} files, {size / 1e6:.0f} MB")
        timed("assay status, the first time", folder, "status")
        timed("assay monitor --once, reads the rest", folder, "monitor", "--once")
        timed("assay status, nothing new", folder, "status")
        with (folder / "logs" / "runs-005.jsonl").open("r+") as log:
            lines = log.readlines()[-2000:]
            log.writelines(line.replace('"run_id":"0', '"run_id":"f') for line in lines)
        timed("assay status, 1,000 more runs", folder, "status")
        timed("assay monitor --once", folder, "monitor", "--once")
        book = folder / "results" / "monitors" / "book.sqlite3"
        print(f"the digest: {book.stat().st_size / 1e6:.1f} MB")


def timed(what: str, folder: Path, *arguments: str) -> None:
    """Run a command in a folder, and print how long it took, and its time on a processor."""
    command = [Path(sys.executable).with_name("assay"), *arguments]
    began, before = time.perf_counter(), os.times()
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    took, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    print(f"  {what}: {took:.2f} s ({cpu:.2f} s of a processor)")
    if ran.returncode not in (0, 3):
        print(ran.stderr)


if __name__ == "__main__":
    asked = sys.argv[1:] or ["spikes", "cost"]
    if "spikes" in asked:
        measure_spikes()
    if "cost" in asked:
        measure_cost()
