"""From two arms of runs to a verdict: pure, and the same for the same runs.

gates      which metrics are held to which margins
arms       the runs of each prompt as columns
statistics what each gate's statistic says of two samples
comparison one metric compared, held to its margin: pass, fail or undecided
comparing  every gate in turn, from the arms' runs
failures   golden tasks that broke, bounds that are broken more often
evidence   all of it together
needs      what would decide what is undecided
reason     the sentence for the person on call
verdict    the evidence -> promote, reject or inconclusive
document   the decision as it is printed and kept: the JSON of the contract
ranking    several candidates of one evaluation, the best first
"""

from assay.decision.arms import Arm, TaskTraits
from assay.decision.document import Decision, EvaluationFacts, Replayed, document, looks_taken
from assay.decision.looks import Look, judge_in_looks
from assay.decision.ranking import (
    Outcome,
    Ranking,
    awaiting,
    decisions_of,
    outcome_of,
    read_outcome,
    with_decision,
)
from assay.decision.verdict import Judgement, decide
from assay.gates import Gates

__all__ = [
    "Arm",
    "Decision",
    "EvaluationFacts",
    "Gates",
    "Judgement",
    "Look",
    "Outcome",
    "Ranking",
    "Replayed",
    "TaskTraits",
    "awaiting",
    "decide",
    "decisions_of",
    "document",
    "judge_in_looks",
    "looks_taken",
    "outcome_of",
    "read_outcome",
    "with_decision",
]
