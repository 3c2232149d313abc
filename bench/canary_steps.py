"""How often whole canaries err, from the first share to the promotion, where the truth is known.

Simulated production as in bench/canary.py, but the traffic drifts: tokens and calls rise by a
half within a day and fall again, they double and errors triple over two days. Shares are
raised as `assay canary watch` does it: each step is judged for itself, looked at after every
canary run, and passed when every metric is surely below its margin. "Pooled" is what is refused:
all runs since the beginning compared at once, whatever the share was. Run it:

    python bench/canary_steps.py [--canaries 400] [--margin-zero]
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool

import numpy as np

from assay.canary.steps import alpha_of
from assay.selftest import rate
from assay.stats.sequential import (
    difference_of_means,
    log_ratio_of_means,
    upper_difference_of_shares,
    upper_log_ratio,
)

STEPS = (0.05, 0.2, 0.5)
STEP_RUNS, AT_MOST = 200, 2000
"""Canary runs of a step, at least; and until it is given up, undecided."""
ALPHA, PROMOTE_ALPHA = 0.05, 0.05
MARGINS = {
    "mean tokens": 0.25,
    "tool calls": 0.25,
    "spend": 0.25,
    "seconds": 0.25,
    "dear runs": 0.05,
    "errors": 0.05,
    "stopped runs": 0.05,
    "failures": 0.10,
}
"""As `rollout.canary.gates` has them by default."""
RATIOS = ("mean tokens", "tool calls", "spend", "seconds")
DAY = 6000.0
"""Runs."""
LOG_SD, TAIL_SHARE, TAIL_FACTOR, MEAN_CALLS = 0.66, 0.02, 2.5, 4.0
P95 = math.exp(8.3 + LOG_SD * 1.645) * 1.04

Runs = tuple[dict[str, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is true of the canary; the defaults are an identical prompt."""

    tokens: float = 1.0
    calls: float = 1.0
    seconds: float = 1.0
    errors: float = 0.0
    """Points more."""
    stops: float = 0.0
    failures: float = 0.0


WORLDS = {
    "identical": World(),
    "+10 %": World(tokens=1.1, calls=1.1),
    "tokens at the margin": World(tokens=1.25),
    "calls at the margin": World(calls=1.25),
    "seconds at the margin": World(seconds=1.25),
    "errors at the margin": World(errors=0.05),
    "stops at the margin": World(stops=0.05),
    "failures at the margin": World(failures=0.10),
    "+50 %": World(tokens=1.5, calls=1.5),
    "the incident": World(tokens=1.893, calls=2.75),
}


def traffic(
    rng: np.random.Generator, world: World, *, at: int, n: int, share: float, drifts: bool
) -> Runs:
    """The next runs of production, from the `at`-th on; and which are the canary's."""
    is_canary = rng.random(n) < share
    of = partial(np.where, is_canary)
    when = (at + np.arange(n)) / DAY if drifts else np.zeros(n)
    trend = np.minimum(when / 2, 1.0)  # over two days
    drift = np.exp2(trend) * (1 + 0.25 * (1 - np.cos(2 * np.pi * when)))
    level = rng.normal(0.0, 0.5, n)  # of the request: dear ones need more calls, too
    tail = np.where(rng.random(n) < TAIL_SHARE, TAIL_FACTOR, 1.0)
    within = math.sqrt(LOG_SD**2 - 0.25)
    used = np.exp(8.3 + level + rng.normal(0.0, within, n)) * tail * drift
    tokens = used * of(world.tokens, 1.0)
    # A mean of exactly MEAN_CALLS x drift x the canary's factor, the first call included.
    expected = MEAN_CALLS * np.exp(0.5 * level - 0.03125) * drift * of(world.calls, 1.0)
    base = 0.02 * (1 + 2 * trend)

    def happens(often: np.ndarray | float, more: float) -> np.ndarray:
        return (rng.random(n) < often + of(more, 0.0)).astype(float)

    return {
        "mean tokens": tokens,
        "tool calls": rng.poisson(expected).astype(float),
        "spend": tokens * 3e-6 * rng.uniform(0.8, 1.2, n),
        "seconds": used / 400 * np.exp(rng.normal(0.0, 0.4, n)) * of(world.seconds, 1.0),
        "dear runs": (tokens > P95).astype(float),
        "errors": happens(base, world.errors),
        "stopped runs": happens(0.01, world.stops),
        "failures": happens(0.03, world.failures),
    }, is_canary


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a canary, or one of its steps, ended."""

    alarm: int | None = None
    passed: int | None = None
    """Canary runs of it."""

    @property
    def words(self) -> str:
        """How it ended."""
        return "alarm" if self.alarm else "passed" if self.passed else "undecided"


def judged(runs: Runs, *, alpha: float, at_zero: bool) -> End:
    """The first canary run at which one of the two is sure; an alarm comes first."""
    alarm, passed = alarm_in(runs, alpha=alpha, at_zero=at_zero), passed_in(runs)
    if alarm is not None and (passed is None or alarm <= passed):
        return End(alarm=alarm)
    return End(passed=passed)


def alarm_in(runs: Runs, *, alpha: float, at_zero: bool) -> int | None:
    """Canary runs until some metric is surely above its margin."""
    metrics, is_canary = runs
    alarms = []
    for name, values in metrics.items():
        lower = log_ratio_of_means if name in RATIOS else difference_of_means
        limits = lower(values, is_canary, alpha=alpha / len(MARGINS))
        alarms.append(limits.first_above(0.0 if at_zero else margin_of(name)))
    return min((each for each in alarms if each), default=None)


def passed_in(runs: Runs) -> int | None:
    """Canary runs until all metrics are surely below their margins."""
    metrics, is_canary = runs
    is_open = np.ones(int(is_canary.sum()), dtype=bool)
    is_open[STEP_RUNS - 1 :] = False
    for name, values in metrics.items():
        upper = upper_log_ratio if name in RATIOS else upper_difference_of_shares
        with np.errstate(invalid="ignore"):
            is_open |= ~(upper(values, is_canary, alpha=PROMOTE_ALPHA) < margin_of(name))
    shown = np.flatnonzero(~is_open)
    return int(shown[0]) + 1 if shown.size else None


def margin_of(name: str) -> float:
    """On the scale of the limits."""
    return math.log1p(MARGINS[name]) if name in RATIOS else MARGINS[name]


def joined(parts: Sequence[Runs]) -> Runs:
    """One after the other."""
    return {name: np.concatenate([m[name] for m, _ in parts]) for name in MARGINS}, np.concatenate(
        [is_canary for _, is_canary in parts]
    )


def one_step(
    rng: np.random.Generator, world: World, *, number: int, at: int, at_zero: bool, drifts: bool
) -> tuple[End, Runs]:
    """A step from its first run to its end."""
    share, parts = STEPS[number - 1], []
    for canary_runs in (400, 600, AT_MOST - 1000):
        n = int(canary_runs / share)
        parts.append(traffic(rng, world, at=at, n=n, share=share, drifts=drifts))
        at += n
        end = judged(joined(parts), alpha=alpha_of(number, ALPHA), at_zero=at_zero)
        if end.words != "undecided":
            break
    return end, joined(parts)


def up_to(runs: Runs, canary_runs: int | None) -> Runs:
    """Until the canary run at which the step ended."""
    metrics, is_canary = runs
    at = np.flatnonzero(is_canary)
    end = at[canary_runs - 1] + 1 if canary_runs else is_canary.size
    return {name: values[:end] for name, values in metrics.items()}, is_canary[:end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A whole one."""

    end: str
    """`alarm`, `promoted`, or `undecided` at some step."""
    first_step: str
    canary_runs: int
    requests: int
    pooled: str
    """What all runs at once would have said at any time."""


def whole_canary(seed: int, *, world: World, at_zero: bool, drifts: bool) -> Canary:
    """All its steps, one after the other."""
    rng, kept, ends = np.random.default_rng(seed), [], []
    for number in range(1, len(STEPS) + 1):
        at = sum(is_canary.size for _, is_canary in kept)
        end, runs = one_step(rng, world, number=number, at=at, at_zero=at_zero, drifts=drifts)
        ends.append(end)
        kept.append(up_to(runs, end.alarm or end.passed))
        if end.words != "passed":
            break
    whole = joined(kept)
    pooled = alarm_in(whole, alpha=ALPHA, at_zero=at_zero)
    return Canary(
        end="promoted" if end.words == "passed" else end.words,
        first_step=ends[0].words,
        canary_runs=int(whole[1].sum()),
        requests=whole[1].size,
        pooled="alarm" if pooled else "no alarm",
    )


def share_of(found: Sequence[bool]) -> str:
    """With its Monte Carlo error."""
    measured = rate(sum(found), len(found))
    return f"{measured.share:.3f} +- {measured.error:.3f}"


def line_of(name: str, done: Sequence[Canary]) -> str:
    """A row of the table."""
    promoted = [each for each in done if each.end == "promoted"]
    alarmed = [each for each in done if each.end == "alarm"]
    cells = [
        share_of([each.end == "alarm" for each in done]),
        share_of([each.end == "promoted" for each in done]),
        share_of([each.first_step == "passed" for each in done]),
        _median([each.canary_runs for each in alarmed]),
        _median([each.canary_runs for each in promoted]),
        _median([each.requests for each in promoted]),
        share_of([each.pooled == "alarm" for each in done]),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _median(found: Sequence[int]) -> str:
    return f"{np.median(found):,.0f} ({np.quantile(found, 0.9):,.0f})" if len(found) > 9 else ""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--canaries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(WORLDS), nargs="+", default=list(WORLDS))
    parser.add_argument("--steady", action="store_true", help="traffic that does not drift")
    parser.add_argument("--margin-zero", action="store_true", help="an alarm at any rise")
    options = parser.parse_args()
    began = time.perf_counter()
    print(
        f"{options.canaries} canaries, steps {STEPS}, seed {options.seed}"
        f"{', steady traffic' if options.steady else ''}"
        f"{', alarms at any rise' if options.margin_zero else ''}\n"
    )
    print(
        "| canary | alarm | promoted | first step passed | canary runs to the alarm "
        "| canary runs to the promotion | requests to the promotion | pooled: alarm |"
    )
    print("|---" * 8 + "|")
    work = partial(whole_canary, at_zero=options.margin_zero, drifts=not options.steady)
    seeds = range(options.seed * 1_000_000, options.seed * 1_000_000 + options.canaries)
    with Pool() as pool:
        for name in options.only:
            world = WORLDS[name]
            done = pool.map(partial(work, world=world), seeds, chunksize=5)
            print(line_of(name, done), flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
