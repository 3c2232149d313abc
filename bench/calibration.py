"""How often the decision errs, and how much it spends, where the truth is known.

Whole evaluations are simulated, looks and early stopping included, under generative models
like those of docs/statistics.md: log-normal tokens with a retry tail, tool calls as counts,
successes. Prints a table with Monte Carlo errors. Run it:

    python bench/calibration.py [--evaluations 1000] [--tasks 20] [--repeats 20] [--fixed]
    python bench/calibration.py --short      # a minute; exits 1 when a rate leaves its band
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import Pool

import numpy as np

from assay.decision import Arm, Gates, TaskTraits, judge_in_looks
from assay.records import PromptRef

ROUNDS = (3, 5, 8, 12, 20)
BETWEEN_TASKS, WITHIN_TASK, TAIL_SHARE, TAIL_FACTOR = 0.5, 0.42, 0.02, 2.5
MEAN_CALLS, SUCCESS = 4.0, 0.99
PROMPT = PromptRef(name="a", version="v1", prompt_id="a:v1:000000000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is true of the candidate; the defaults are an identical prompt."""

    token_factor: float = 1.0
    call_factor: float = 1.0
    tail_factor: float = 1.0
    """On the retry tail's share: only the dearest runs change."""
    interaction: float = 0.0
    """Sd of a factor of its own for each golden task, on the log scale."""
    breaks_a_task: bool = False
    max_calls: int | None = None
    """A budget on tool calls, for both prompts."""


WORLDS = {
    "identical": World(),
    "identical, interaction .15": World(interaction=0.15),
    "+10 %": World(token_factor=1.10, call_factor=1.10),
    "+25 % (at the margin)": World(token_factor=1.25, call_factor=1.25),
    "p95 +50 % (at the margin)": World(token_factor=1.50),
    "tail only": World(tail_factor=6.0),
    "one task broken": World(breaks_a_task=True),
    "the incident": World(token_factor=1.893, call_factor=2.75),
    "the incident, cut at 12 calls": World(token_factor=1.893, call_factor=2.75, max_calls=12),
}
BANDS: dict[str, Callable[[Counter[str], float], bool]] = {
    "identical": lambda share, _: share["reject"] <= 0.02 and share["promote"] >= 0.97,
    "identical, interaction .15": lambda share, _: share["reject"] <= 0.05,
    "+25 % (at the margin)": lambda share, _: share["promote"] <= 0.08 and share["reject"] <= 0.1,
    "one task broken": lambda share, _: share["promote"] == 0,
    "the incident": lambda share, looks: share["reject"] == 1 and looks == ROUNDS[0],
    "the incident, cut at 12 calls": lambda share, _: share["promote"] == 0,
}
"""What must hold in the short form: shares of verdicts, and mean repeats."""


def arm(rng: np.random.Generator, world: World, *, levels: np.ndarray, repeats: int) -> Arm:
    """All runs of one prompt, as many as the whole plan has."""
    n = levels.size
    tasks = np.repeat(np.arange(n), repeats)
    own = np.exp(rng.normal(0.0, world.interaction, n))[tasks] if world.interaction else 1.0
    retried = rng.random(tasks.size) < TAIL_SHARE * world.tail_factor
    tokens = np.exp(levels[tasks] + rng.normal(0.0, WITHIN_TASK, tasks.size))
    tokens = tokens * world.token_factor * own * np.where(retried, TAIL_FACTOR, 1.0)
    task_calls = MEAN_CALLS * np.exp(0.5 * (levels - levels.mean()))
    calls = 1.0 + rng.poisson((task_calls[tasks] * world.call_factor - 1.0) * own)
    cut = np.zeros(tasks.size, dtype=np.bool_)
    if world.max_calls is not None:
        cut = calls > world.max_calls
        tokens = np.where(cut, tokens * world.max_calls / calls, tokens)
        calls = np.minimum(calls, world.max_calls)
    success = (rng.random(tasks.size) < SUCCESS) & ~cut
    if world.breaks_a_task:
        success &= tasks != 0
    return Arm(
        prompt=PROMPT,
        tasks=tasks,
        repeats=np.tile(np.arange(1, repeats + 1), n),
        metrics={"total_tokens": tokens, "tool_calls": calls},
        success=success.astype(np.float64),
        infra=np.zeros(tasks.size, dtype=np.bool_),
        cut=cut,
        violations={},
    )


def one_evaluation(job: tuple[World, int, int, bool, int]) -> tuple[str, int]:
    """Simulate one evaluation: its verdict, and the repeats that it took."""
    world, n_tasks, repeats, fixed, seed = job
    rng = np.random.default_rng(seed)
    levels = rng.normal(8.3, BETWEEN_TASKS, n_tasks)
    before = World(max_calls=world.max_calls)
    at = (repeats,) if fixed else (*(r for r in ROUNDS if r < repeats), repeats)
    looks = judge_in_looks(
        arm(rng, before, levels=levels, repeats=repeats),
        replace(arm(rng, world, levels=levels, repeats=repeats), prompt=PROMPT),
        at=at,
        made=len(at),
        tasks=[TaskTraits(id=f"t{number}") for number in range(n_tasks)],
        gates=Gates(),
        max_infra_error_share=0.05,
    )
    return looks[-1].judgement.verdict.value, looks[-1].repeats


def simulate(pool: "Pool", world: World, options: argparse.Namespace) -> tuple[Counter[str], float]:  # type: ignore[valid-type]
    """Shares of the verdicts, and mean repeats."""
    jobs = (
        (world, options.tasks, options.repeats, options.fixed, options.seed + number)
        for number in range(options.evaluations)
    )
    results = pool.map(one_evaluation, jobs, chunksize=20)  # type: ignore[attr-defined]
    counts = Counter(verdict for verdict, _ in results)
    shares = Counter({name: count / len(results) for name, count in counts.items()})
    return shares, float(np.mean([repeats for _, repeats in results]))


def main() -> int:
    """Print the table; in the short form 1 when a rate leaves its band."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fixed", action="store_true", help="one look, at the end")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if options.short:
        options.evaluations = 120
    error = 0.5 / np.sqrt(options.evaluations)
    print(f"{options.evaluations} evaluations each, {options.tasks} golden tasks, up to")
    print(
        f"{options.repeats} repeats, seed {options.seed}; Monte Carlo error at most {error:.3f}\n"
    )
    print(f"{'candidate':32}{'promote':>9}{'reject':>9}{'inconcl.':>9}{'repeats':>9}{'s':>6}")
    left: list[str] = []
    with Pool() as pool:
        for name, world in WORLDS.items():
            began = time.perf_counter()
            shares, repeats = simulate(pool, world, options)
            row = [shares[verdict] for verdict in ("promote", "reject", "inconclusive")]
            figures = "".join(f"{share:9.3f}" for share in row)
            print(f"{name:32}{figures}{repeats:9.1f}{time.perf_counter() - began:6.0f}", flush=True)
            if options.short and name in BANDS and not BANDS[name](shares, repeats):
                left.append(name)
    if left:
        print(f"\nout of its band: {', '.join(left)}")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
