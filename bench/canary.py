"""How often a canary's watch errs, and how soon it finds the incident, where the truth is known.

Simulated production: log-normal tokens with a retry tail, tool calls as counts, 1-3 % errors,
spend in step with tokens; a share of the runs is the canary's. Every metric has its part of
alpha, as in the first step of `assay canary watch`. "Naive" looks with ordinary 95 % limits for
each metric after every 25 canary runs. Prints tables with Monte Carlo errors (one standard
error). Run it:

    python bench/canary.py [--canaries 400] [--runs 2000] [--share 0.05] [--margin-zero]
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool

import numpy as np
from scipy.special import ndtri

from assay.canary.steps import alpha_of
from assay.selftest import rate
from assay.stats.sequential import LowerLimits, difference_of_means, log_ratio_of_means, widths

EVERY = 25
ALPHA = 0.05
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
LOG_SD, TAIL_SHARE, TAIL_FACTOR, MEAN_CALLS = 0.66, 0.02, 2.5, 4.0
P95 = math.exp(8.3 + LOG_SD * 1.645) * 1.04


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is true of the canary; the defaults are an identical prompt."""

    tokens: float = 1.0
    calls: float = 1.0
    errors: float = 0.02


WORLDS = {
    "identical": World(),
    "+25 % (at the margin)": World(tokens=1.25, calls=1.25),
    "+50 %": World(tokens=1.5, calls=1.5),
    "the incident": World(tokens=1.893, calls=2.75),
    "errors 2 % -> 20 %": World(errors=0.2),
}


def traffic(
    rng: np.random.Generator, world: World, *, runs: int, share: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Production's runs in order, until there are so many of the canary; and which are."""
    n = int(runs / share * 1.2) + 200
    is_canary = rng.random(n) < share
    end = np.flatnonzero(is_canary)[runs - 1] + 1
    is_canary, n = is_canary[:end], end
    of = partial(np.where, is_canary)
    level = rng.normal(0.0, 0.5, n)  # of the request: dear ones need more calls, too
    tail = np.where(rng.random(n) < TAIL_SHARE, TAIL_FACTOR, 1.0)
    within = math.sqrt(LOG_SD**2 - 0.25)
    tokens = np.exp(8.3 + level + rng.normal(0.0, within, n)) * tail * of(world.tokens, 1.0)
    task_calls = MEAN_CALLS * np.exp(0.5 * level) * of(world.calls, 1.0)
    base_errors = 0.02
    metrics = {
        "mean tokens": tokens,
        "tool calls": 1.0 + rng.poisson(np.maximum(task_calls - 1.0, 0.05)),
        "spend": tokens * 3e-6 * rng.uniform(0.8, 1.2, n),
        "seconds": tokens / 400 * np.exp(rng.normal(0.0, 0.4, n)),
        "dear runs": (tokens > P95).astype(float),
        "errors": (rng.random(n) < of(world.errors, base_errors)).astype(float),
        "stopped runs": (rng.random(n) < 0.01).astype(float),
        "failures": (rng.random(n) < 0.03).astype(float),
    }
    return metrics, is_canary


def naive(limits: LowerLimits, *, alpha: float) -> LowerLimits:
    """Ordinary limits at the looks: the same errors, z instead of the sequence's width."""
    n = np.arange(1, limits.lower.size + 1)
    error = (limits.estimate - limits.lower) / widths(n, alpha=alpha)
    lower = limits.estimate - ndtri(1 - ALPHA) * error
    return LowerLimits(estimate=limits.estimate, lower=np.where(n % EVERY == 0, lower, np.nan))


def one_canary(
    seed: int, *, world: World, runs: int, share: float, at_zero: bool
) -> tuple[dict[str, int | None], bool]:
    """Canary runs until each metric raises the alarm; and whether ordinary limits ever would."""
    rng = np.random.default_rng(seed)
    metrics, is_canary = traffic(rng, world, runs=runs, share=share)
    alpha = alpha_of(1, ALPHA) / len(MARGINS)
    fired: dict[str, int | None] = {}
    naively = False
    for name, values in metrics.items():
        is_ratio = name in RATIOS
        sequence = log_ratio_of_means if is_ratio else difference_of_means
        margin = math.log1p(MARGINS[name]) if is_ratio else MARGINS[name]
        margin = 0.0 if at_zero else margin
        limits = sequence(values, is_canary, alpha=alpha)
        fired[name] = limits.first_above(margin)
        naively |= naive(limits, alpha=alpha).first_above(margin) is not None
    return fired, naively


def median_of(found: list[int | None]) -> str:
    """Runs until half of the canaries are found, and until nine tenths are."""
    n = len(found)
    if sum(each is not None for each in found) < n / 2:
        share = sum(each is not None for each in found) / n
        return f"{share:.1%} found"
    order = np.sort([each if each is not None else np.inf for each in found])
    # The standard error of a median, from the order statistics around it.
    low, high = (order[int(n / 2 + s * math.sqrt(n) / 2)] for s in (-1, 1))
    return f"{order[n // 2]:.0f} +- {(high - low) / 2:.0f} ({order[int(0.9 * n)]:.0f})"


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--canaries", type=int, default=400)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--margin-zero", action="store_true", help="an alarm at any rise")
    options = parser.parse_args()
    began = time.perf_counter()
    print(
        f"{options.canaries} canaries of {options.runs} runs at {options.share:.0%}, "
        f"seed {options.seed}{', margins of zero' if options.margin_zero else ''}\n"
    )
    print(f"| canary | alarm | naive | first alarm | {' | '.join(MARGINS)} |")
    print("|---|---|---|---|" + "---|" * len(MARGINS))
    with Pool() as pool:
        for name, world in WORLDS.items():
            work = partial(
                one_canary,
                world=world,
                runs=options.runs,
                share=options.share,
                at_zero=options.margin_zero,
            )
            seeds = range(options.seed * 1_000_000, options.seed * 1_000_000 + options.canaries)
            done = pool.map(work, seeds, chunksize=5)
            first = [min((f for f in fired.values() if f), default=None) for fired, _ in done]
            alarms = rate(sum(each is not None for each in first), len(done))
            peeks = rate(sum(naively for _, naively in done), len(done))
            cells = [
                f"{alarms.share:.3f} +- {alarms.error:.3f}",
                f"{peeks.share:.3f} +- {peeks.error:.3f}",
                median_of(first),
                *(median_of([fired[metric] for fired, _ in done]) for metric in MARGINS),
            ]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
