"""How often `assay explain` blames the prompt wrongly, and how well it splits a change it knows.

Simulated production (named as such): categories of requests with their own token levels and
tool calls, log-normal within, users who ask several times. `null`: another prompt that behaves
the same, while the traffic mix changes. `both`: the incident's factors on the prompt and the
change of mix together; the truth is computed from 2,000,000 runs. Run it:

    python bench/explain.py [--simulations 200] [--runs 400]
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import Pool

import numpy as np
import pyarrow as pa

from assay.errors import NoVerdict
from assay.explain.explanation import Explanation, What, explain
from assay.explain.sides import Sides

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
CATEGORIES = ("order", "refund", "howto", "complaint")
TOKENS = np.array([3_000.0, 4_500.0, 2_200.0, 7_000.0])
CALLS = np.array([3.0, 5.0, 1.5, 6.0])
USD_PER_TOKEN = 3e-6
MIX_BEFORE, MIXED = (0.4, 0.2, 0.3, 0.1), (0.2, 0.3, 0.15, 0.35)
LOG_SD, LOG_SD_OF_USERS = 0.5, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens between before and after."""

    mix_before: tuple[float, ...] = MIX_BEFORE
    mix_after: tuple[float, ...] = MIX_BEFORE
    tokens: float = 1.0
    calls: float = 1.0
    runs_per_user: float = 1.0


SCENARIOS = {
    "null": Scenario(),
    "mix alone": Scenario(mix_after=MIXED),
    "mix alone, users": Scenario(mix_after=MIXED, runs_per_user=3.0),
    "prompt alone": Scenario(tokens=1.893, calls=2.75),
    "both": Scenario(mix_after=MIXED, tokens=1.25, calls=1.4),
}


def simulate(scenario: Scenario, n: int, random: np.random.Generator) -> tuple[pa.Table, Sides]:
    """So many runs before and as many after."""
    per_user = scenario.runs_per_user
    before = runs_of("v13", n, random, mix=scenario.mix_before, per_user=per_user)
    after = runs_of(
        "v14",
        n,
        random,
        mix=scenario.mix_after,
        tokens=scenario.tokens,
        calls=scenario.calls,
        per_user=per_user,
    )
    is_after = np.arange(2 * n) >= n
    sides = Sides(
        before=~is_after,
        after=is_after,
        before_words="before",
        after_words="after",
        at_the_same_time=False,
    )
    return pa.concat_tables([before, after]), sides


def runs_of(
    version: str,
    n: int,
    random: np.random.Generator,
    *,
    mix: Sequence[float] = MIX_BEFORE,
    tokens: float = 1.0,
    calls: float = 1.0,
    model: str = "sim-1",
    at: datetime = NOW,
    per_user: float = 1.0,
) -> pa.Table:
    """Runs of one version, a minute apart; `tokens` and `calls` are factors."""
    categories = random.choice(len(mix), size=n, p=mix)
    users, of_users = np.arange(n), np.ones(n)
    if per_user > 1.0:
        users = random.integers(0, int(n / per_user), size=n)
        of_users = np.exp(LOG_SD_OF_USERS * random.standard_normal(n))[users]
    noise = np.exp(LOG_SD * random.standard_normal(n))
    used = TOKENS[categories] * tokens * of_users * noise
    return pa.table(
        {
            "prompt_id": [f"support:{version}:0123456789ab"] * n,
            "model": [model] * n,
            "category": [CATEGORIES[each] for each in categories],
            "user": [f"{version}-{each}" for each in users],
            "total_tokens": used,
            "tool_calls": random.poisson(CALLS[categories] * calls).astype(np.float64),
            "spend_usd": used * USD_PER_TOKEN,
            "started_at": [(at + timedelta(minutes=each)).isoformat() for each in range(n)],
        }
    )


def truth(scenario: Scenario) -> dict[str, dict[What, float]]:
    """What the prompt and the mix really made, from very many runs."""
    before, after = np.array(scenario.mix_before), np.array(scenario.mix_after)
    middle, shift = (before + after) / 2, after - before
    level = np.exp(_log_sd(scenario) ** 2 / 2)
    known = {
        "mean tokens": TOKENS * level,
        "tool calls": CALLS,
        "spend": TOKENS * level * USD_PER_TOKEN,
    }
    factors = {"mean tokens": scenario.tokens, "tool calls": scenario.calls}
    found: dict[str, dict[What, float]] = {}
    for metric, means in known.items():
        factor = factors.get(metric, scenario.tokens)
        found[metric] = {
            What.PROMPT: float(middle @ (means * (factor - 1))),
            What.MIX: float(shift @ (means * (1 + factor)) / 2),
        }
    found["p95 tokens"] = _truth_of_p95(scenario)
    return found


def _log_sd(scenario: Scenario) -> float:
    """Within a category; of users and of their runs."""
    return float(np.hypot(LOG_SD, 0.0 if scenario.runs_per_user == 1.0 else LOG_SD_OF_USERS))


def _truth_of_p95(scenario: Scenario) -> dict[What, float]:
    random = np.random.default_rng(1)
    quantiles = {}
    for name, mix in (("before", scenario.mix_before), ("after", scenario.mix_after)):
        level = TOKENS[random.choice(len(mix), size=2_000_000, p=mix)]
        noise = np.exp(_log_sd(scenario) * random.standard_normal(level.size))
        quantiles[name] = float(np.quantile(level * noise, 0.95))
    low, high = np.log(quantiles["before"]), np.log(quantiles["after"])
    first, last = quantiles["before"], quantiles["after"] * scenario.tokens
    total = np.log(last) - np.log(first)
    scale = (last - first) / total if total else first
    return {What.PROMPT: scale * np.log(scenario.tokens), What.MIX: scale * (high - low)}


def one(seed: int, *, scenario: Scenario, n: int) -> Explanation | None:
    """One simulated incident, explained; None where a category has too few runs."""
    runs, sides = simulate(scenario, n, np.random.default_rng(seed))
    try:
        return explain(runs, sides, seed=10_000 + seed)
    except NoVerdict:
        return None


def covered(
    found: Explanation, really: dict[str, dict[What, float]]
) -> dict[tuple[str, What], bool]:
    """Whether each interval holds the truth."""
    return {
        (metric, found.parts[part]): share.lower <= really[metric][found.parts[part]] <= share.upper
        for metric, change in found.changes.items()
        for part, share in change.parts.items()
    }


def main() -> None:
    """Print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--simulations", type=int, default=200)
    arguments.add_argument("--runs", type=int, default=400)
    asked = arguments.parse_args()
    print(f"{asked.simulations} simulations, {asked.runs} runs on each side")
    print(
        f"{'scenario':<18}{'prompt blamed':>14}{'mix blamed':>12}{'cannot tell':>13}"
        "  covered: all / least"
    )
    with Pool(2) as pool:
        for name, scenario in SCENARIOS.items():
            work = partial(one, scenario=scenario, n=asked.runs)
            tried = pool.map(work, range(asked.simulations), chunksize=4)
            print(_row(name, scenario, tried), flush=True)
    runs, sides = simulate(SCENARIOS["both"], 10_000, np.random.default_rng(0))
    began = time.perf_counter()
    explain(runs, sides)
    print(f"20,000 runs: {time.perf_counter() - began:.2f} s")


def _row(name: str, scenario: Scenario, tried: list[Explanation | None]) -> str:
    found = [each for each in tried if each is not None]
    shares = [np.mean([what in each.blamed for each in found]) for what in (What.PROMPT, What.MIX)]
    untold = np.mean([each is None or bool(each.cannot_tell) for each in tried])
    really = truth(scenario)
    hits = [covered(each, really) for each in found]
    each_one = [np.mean([hit[key] for hit in hits]) for key in hits[0]]
    together = np.mean([all(hit.values()) for hit in hits])
    return (
        f"{name:<18}{shares[0]:>14.3f}{shares[1]:>12.3f}{untold:>13.3f}"
        f"  {together:.3f} / {min(each_one):.3f}"
    )


if __name__ == "__main__":
    main()
