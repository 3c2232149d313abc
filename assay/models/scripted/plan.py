"""How much searching and reading a run sets out to do."""

from dataclasses import dataclass

from assay.models.scripted.chance import Chance
from assay.models.scripted.instructions import Breadth, Instructions
from assay.models.scripted.question import Question

EXTRA_SEARCH_SHARE = 0.3
TAIL_SHARE = 0.025
"""Runs that, under any prompt, go round once more than they need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many searches and articles a run wants, and how many of them at once."""

    searches: int
    reads: int
    searches_at_once: int
    reads_at_once: int


def plan_for(question: Question, instructions: Instructions, chance: Chance) -> Plan:
    """What a run sets out to do; it depends on the run, not on the step."""
    topics = max(1, len(question.topics))
    round_more = 1 if chance.happens(TAIL_SHARE, "tail") else 0
    diligence = chance.number("reads")
    if instructions.breadth is Breadth.ALWAYS:
        return Plan(
            searches=5 + round(chance.number("searches")) + round_more,
            reads=5 + int(3 * diligence) + round_more * 2,
            searches_at_once=5,
            reads_at_once=8,
        )
    if instructions.frugal:
        return Plan(searches=topics, reads=topics, searches_at_once=topics, reads_at_once=topics)
    extra = 1 if chance.happens(EXTRA_SEARCH_SHARE, "searches") else 0
    return Plan(
        searches=topics + extra + round_more,
        reads=max(topics, 1 + int(diligence > 0.25) + int(diligence > 0.8)) + round_more * 2,
        searches_at_once=topics,
        reads_at_once=topics + int(chance.happens(0.5, "reads at once")),
    )
