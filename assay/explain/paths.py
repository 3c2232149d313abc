"""Ways from before to after, over cells that were observed: what can be told apart, and what not.

A cell is one prompt under one model and tools in one period. From `before` to `after` the
prompt, the model or tools, and the period change; each order in which they may change is a way
that leads over other cells. Only a way all of whose cells were observed tells its parts apart:
runs of both prompts at the same time, say. Where there is none, parts stay together.
"""

from collections.abc import Collection, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple


class Factor(IntEnum):
    """What may change beside the traffic; its place in a state."""

    PROMPT = 0
    ENVIRONMENT = 1
    """The model, its parameters, the tools, the agent, its limits."""
    PERIOD = 2
    """All that is not recorded and changes with time."""


State = tuple[int, int, int]
"""Of each factor, 0 as before and 1 as after; 0 where it does not change."""
BEFORE: State = (0, 0, 0)
Block = frozenset[Factor]
"""Factors that change together."""


class Step(NamedTuple):
    """One block changes."""

    block: Block
    start: State
    end: State


Path = tuple[Step, ...]


def after(differing: Collection[Factor]) -> State:
    """The state when all that differs has changed."""
    prompt, environment, period = (int(factor in differing) for factor in Factor)
    return prompt, environment, period


def paths(differing: Collection[Factor], observed: Collection[State]) -> tuple[Path, ...]:
    """All ways of the partition that tells the most apart.

    That the prompt is apart from the model and tools comes first, then the number of parts.

    Args:
        differing: What is another after than before.
        observed: Cells with runs enough.

    >>> whole = frozenset({Factor.PROMPT, Factor.PERIOD})
    >>> [[sorted(step.block) for step in way] for way in paths(whole, [])]
    [[[<Factor.PROMPT: 0>, <Factor.PERIOD: 2>]]]
    >>> len(paths(whole, [(1, 0, 0)])[0]), len(paths(whole, [(1, 0, 0), (0, 0, 1)]))
    (2, 2)
    """
    by_partition: dict[frozenset[Block], list[Path]] = {}
    for blocks in _ordered_partitions(sorted(differing)):
        way = _way(blocks)
        if all(step.end in observed for step in way[:-1]):
            by_partition.setdefault(frozenset(blocks), []).append(way)
    best = max(by_partition, key=_worth)
    return tuple(by_partition[best])


def _worth(partition: frozenset[Block]) -> tuple[bool, int]:
    mixed = any({Factor.PROMPT, Factor.ENVIRONMENT} <= block for block in partition)
    return not mixed, len(partition)


def _way(blocks: Sequence[Block]) -> Path:
    steps, done = [], set[Factor]()
    for block in blocks:
        start = after(done)
        done |= block
        steps.append(Step(block, start, after(done)))
    return tuple(steps)


def _ordered_partitions(factors: Sequence[Factor]) -> Iterator[tuple[Block, ...]]:
    """Every division into blocks, in every order of the blocks."""
    if not factors:
        yield ()
        return
    for chosen in range(1, 2 ** len(factors)):
        block = frozenset(f for place, f in enumerate(factors) if chosen >> place & 1)
        for rest in _ordered_partitions([f for f in factors if f not in block]):
            yield (block, *rest)
