"""From two arms of runs to a verdict: pure, and the same for the same runs.

gates      which metrics are held to which margins
arms       the runs of each prompt as columns
comparing  intervals and margins -> pass, fail or undecided
failures   golden tasks that broke, bounds that are broken more often
needs      how many repeats would decide what is undecided
verdict    all of it -> promote, reject or inconclusive, with the reason in a sentence
document   the decision as it is printed and kept: the JSON of the contract
"""

from assay.decision.arms import Arm, TaskTraits
from assay.decision.document import Decision, EvaluationFacts, document
from assay.decision.gates import Gates
from assay.decision.verdict import Judgement, decide

__all__ = [
    "Arm",
    "Decision",
    "EvaluationFacts",
    "Gates",
    "Judgement",
    "TaskTraits",
    "decide",
    "document",
]
