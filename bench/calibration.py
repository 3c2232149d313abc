"""How often the decision errs, and how much it spends, where the truth is known.

Whole evaluations are simulated, looks and early stopping included, under generative models
like those of docs/statistics.md: log-normal tokens with a retry tail, tool calls as counts,
successes. Prints a table with Monte Carlo errors (one standard error). Run it:

    python bench/calibration.py [--evaluations 400] [--tasks 10 20 50] [--repeats 5 20] [--fixed]
    python bench/calibration.py --scope traffic --tasks 20 50 100    # golden tasks resampled
    python bench/calibration.py --candidates 3    # promote, reject: of any of the three
    python bench/calibration.py --short      # half a minute; exits 1 when a rate leaves its band
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from multiprocessing.pool import Pool as Processes

import numpy as np

from assay.decision import Arm, Gates, TaskTraits, judge_in_looks
from assay.gates import shared_by
from assay.records import PromptRef
from assay.selftest import Rate, flips, rate

ROUNDS = (3, 5, 8, 12, 20)
BETWEEN_TASKS, WITHIN_TASK, TAIL_SHARE, TAIL_FACTOR = 0.5, 0.42, 0.02, 2.5
MEAN_CALLS = 4.0
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
    """The first golden task never passes."""
    success: float = 0.99
    """Of both prompts' runs."""
    max_calls: int | None = None
    """A budget on tool calls, for both prompts."""


WORLDS = {
    "identical": World(),
    "identical, interaction .15": World(interaction=0.15),
    "+10 %": World(token_factor=1.10, call_factor=1.10),
    "+25 % (at the margin)": World(token_factor=1.25, call_factor=1.25),
    "+50 % tokens (p95 at its margin)": World(token_factor=1.50),
    "tail only": World(tail_factor=6.0),
    "one task broken": World(breaks_a_task=True),
    "one broken, others fail .1": World(breaks_a_task=True, success=0.9),
    "the incident": World(token_factor=1.893, call_factor=2.75),
    "the incident, cut at 12 calls": World(token_factor=1.893, call_factor=2.75, max_calls=12),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of the evaluations of one world."""

    promote: Rate
    reject: Rate
    inconclusive: Rate
    flips: Rate
    """Of two evaluations one promotes and the other rejects."""
    mean_repeats: float


SHORT_TASKS, SHORT_REPEATS, SHORT_EVALUATIONS = 20, 20, 200
BANDS: dict[str, Callable[[Row], bool]] = {
    "identical": lambda row: (
        row.reject.share <= 0.02 and row.promote.share >= 0.97 and row.mean_repeats <= 10
    ),
    "identical, interaction .15": lambda row: row.reject.share <= 0.05 and row.mean_repeats <= 12,
    "+25 % (at the margin)": lambda row: row.promote.share <= 0.08 and row.reject.share <= 0.1,
    "+50 % tokens (p95 at its margin)": lambda row: row.promote.share == 0,
    "one task broken": lambda row: row.promote.share == 0,
    "one broken, others fail .1": lambda row: row.promote.share <= 0.01,
    "the incident": lambda row: row.reject.share == 1 and row.mean_repeats == ROUNDS[0],
    "the incident, cut at 12 calls": lambda row: row.promote.share == 0,
}
"""What must hold in the short form; flips must be under 1 % everywhere."""


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
    success = (rng.random(tasks.size) < world.success) & ~cut
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One evaluation to simulate."""

    world: World
    n_tasks: int
    repeats: int
    fixed: bool
    gates: Gates
    n_candidates: int
    seed: int


WORST_FIRST = ("promote", "reject", "inconclusive")


def one_evaluation(job: Job) -> tuple[str, int]:
    """Simulate one evaluation: its verdict, and the repeats that it took.

    Of several candidates, all alike and each held to its part of alpha, it is a promote
    where one is promoted, else a reject where one is rejected.
    """
    world, n_tasks, repeats, fixed = job.world, job.n_tasks, job.repeats, job.fixed
    rng = np.random.default_rng((job.seed, n_tasks, repeats))
    levels = rng.normal(8.3, BETWEEN_TASKS, n_tasks)
    before = World(max_calls=world.max_calls, success=world.success)
    at = (repeats,) if fixed else (*(r for r in ROUNDS if r < repeats), repeats)
    baseline = arm(rng, before, levels=levels, repeats=repeats)
    lasts = [
        judge_in_looks(
            baseline,
            arm(rng, world, levels=levels, repeats=repeats),
            at=at,
            made=len(at),
            tasks=[TaskTraits(id=f"t{number}") for number in range(n_tasks)],
            gates=shared_by(job.n_candidates, job.gates),
            max_infra_error_share=0.05,
        )[-1]
        for _ in range(job.n_candidates)
    ]
    verdicts = {last.judgement.verdict.value for last in lasts}
    worst = next(verdict for verdict in WORST_FIRST if verdict in verdicts)
    return worst, max(last.repeats for last in lasts)


def simulate(
    pool: Processes, world: World, options: argparse.Namespace, *, size: tuple[int, int]
) -> Row:
    """Rates of one world; `size` is golden tasks and repeats."""
    n: int = options.evaluations
    jobs = [
        Job(
            world=world,
            n_tasks=size[0],
            repeats=size[1],
            fixed=options.fixed,
            gates=Gates(scope=options.scope),
            n_candidates=options.candidates,
            seed=options.seed + number,
        )
        for number in range(n)
    ]
    results = pool.map(one_evaluation, jobs, chunksize=10)
    counts = Counter(verdict for verdict, _ in results)
    return Row(
        promote=rate(counts["promote"], n),
        reject=rate(counts["reject"], n),
        inconclusive=rate(counts["inconclusive"], n),
        flips=flips(counts["promote"], counts["reject"], n),
        mean_repeats=float(np.mean([repeats for _, repeats in results])),
    )


def line(name: str, size: tuple[int, int], row: Row) -> str:
    """One line of the table, in Markdown."""
    shares = (row.promote, row.reject, row.inconclusive)
    cells = [f"{each.share:.3f} +- {each.error:.3f}" for each in shares]
    cells += [f"{row.flips.share:.4f}", f"{row.mean_repeats:.1f}"]
    return f"| {size[0]} x {size[1]} | {name} | {' | '.join(cells)} |"


def sizes(options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Golden tasks x repeats, in the order of the table."""
    if options.short:
        yield SHORT_TASKS, SHORT_REPEATS
        return
    for repeats in options.repeats:
        for tasks in options.tasks:
            yield tasks, repeats


def is_within(name: str, row: Row) -> bool:
    """Whether a world's rates are what they must be."""
    return row.flips.share < 0.01 and (name not in BANDS or BANDS[name](row))


def main() -> int:
    """Print the table; in the short form 1 when a rate leaves its band."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--tasks", type=int, nargs="+", default=[10, 20, 50])
    parser.add_argument("--repeats", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fixed", action="store_true", help="one look, at the end")
    parser.add_argument("--scope", choices=("golden_tasks", "traffic"), default="golden_tasks")
    parser.add_argument("--candidates", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if options.short:
        options.evaluations = SHORT_EVALUATIONS
    began = time.perf_counter()
    print(
        f"{options.evaluations} evaluations each, seed {options.seed}, scope {options.scope}, "
        f"candidates {options.candidates}\n"
    )
    print(
        "| tasks x repeats | candidate | promote | reject | inconclusive | flips | mean repeats |"
    )
    print("|---|---|---|---|---|---|---|")
    left: list[str] = []
    with Pool() as pool:
        for size in sizes(options):
            for name, world in WORLDS.items():
                row = simulate(pool, world, options, size=size)
                print(line(name, size, row), flush=True)
                left += [name] if options.short and not is_within(name, row) else []
    print(f"\n{time.perf_counter() - began:.0f} s")
    if left:
        print(f"out of its band: {', '.join(left)}")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
