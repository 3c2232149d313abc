"""From the answers of a judge to a ruling, and from rulings to the columns of a run."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, NamedTuple

from assay.checks import check_words
from assay.golden import Check
from assay.records import RunRecord

Place = tuple[int, int, int]
"""Of an answer in its run: check, repeat, attempt."""

MIN_FOR_AGREEMENT = 2
SIMILARITY_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request to a judge brought, as the journal keeps it."""

    check: int
    """Number of the golden task's check, 0-based."""
    repeat: int
    """Which of the judges, 1-based."""
    attempt: int
    """How often this judge was asked before, because its answer was none."""
    passed: bool | None
    """As the rubric says, without `not-`; None for what is no answer."""
    reason: str
    tokens: int | None
    """None where the server did not say."""
    spend_usd: float | None


def as_line(run_id: str, answer: Answer) -> dict[str, Any]:
    """The journal's line of one answer about a run."""
    return {"type": "judge_answer", "run_id": run_id, "answer": asdict(answer)}


def from_line(line: Mapping[str, Any]) -> tuple[str, Answer]:
    """The run's id and the answer."""
    return line["run_id"], Answer(**line["answer"])


def by_run(answers: Iterable[tuple[str, Answer]]) -> dict[str, dict[Place, Answer]]:
    """The answers of each run by their places."""
    found: dict[str, dict[Place, Answer]] = defaultdict(dict)
    for run_id, answer in answers:
        found[run_id][answer.check, answer.repeat, answer.attempt] = answer
    return found


def spent_on(answers: Iterable[tuple[str, Answer]]) -> float:
    """US dollars that these answers cost; without end where one's cost is not known."""
    spent = [answer.spend_usd for _, answer in answers]
    return sum(math.inf if each is None else each for each in spent)


class Words(NamedTuple):
    """What the judges said of one check."""

    votes: tuple[bool | None, ...]
    """Of each judge; None where it has no answer."""
    answers: tuple[Answer, ...]
    """All of them, what is no answer included."""
    problem: str
    """Why a judge has no answer; empty where all have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One judged check of one run."""

    check: str
    """In words for people."""
    passed: bool | None
    """None where it could not be decided."""
    reason: str
    """Of one of the judges that decided it, or why it is undecided."""
    votes: tuple[bool | None, ...] = ()
    """Of each repeat; None where it has no answer. Empty for `similar`."""
    agreement: float | None = None
    """Share of the answers that say what most say; None of fewer than two answers."""
    similarity: float | None = None


def majority(votes: Sequence[bool | None]) -> bool | None:
    """What more than half of the judges say, those without an answer counted among them.

    >>> majority([True, True, False]), majority([True, None, None]), majority([True, None, False])
    (True, None, None)
    """
    for side in (True, False):
        if 2 * sum(vote is side for vote in votes) > len(votes):
            return side
    return None


def agreement(votes: Sequence[bool | None]) -> float | None:
    """Share of the answers that say what most of them say.

    >>> agreement([True, True, None]), agreement([True, False]), agreement([True, None])
    (1.0, 0.5, None)
    """
    given = [vote for vote in votes if vote is not None]
    if len(given) < MIN_FOR_AGREEMENT:
        return None
    return max(sum(given), len(given) - sum(given)) / len(given)


def by_votes(check: Check, words: Words) -> Ruling:
    """The ruling on an `llm-rubric` check."""
    said = majority(words.votes)
    return Ruling(
        check=check_words(check),
        passed=None if said is None else said is not check.is_inverted,
        votes=words.votes,
        agreement=agreement(words.votes),
        reason=_reason(words, said),
    )


def by_meaning(check: Check, cosine: float) -> Ruling:
    """The ruling on a `similar` check."""
    is_near = cosine >= check.expected.threshold
    return Ruling(
        check=check_words(check),
        passed=is_near is not check.is_inverted,
        similarity=round(cosine, SIMILARITY_DIGITS),
        reason=f"similarity {cosine:.2f}, threshold {check.expected.threshold:g}",
    )


def _reason(words: Words, said: bool | None) -> str:
    """One judge's reason for what most say, or why nothing is decided."""
    if said is None:
        return words.problem or "the judges do not agree"
    reasons = [answer.reason for answer in words.answers if answer.passed is said]
    n_agree = sum(vote is said for vote in words.votes)
    return f"{n_agree} of {len(words.votes)} judges: {reasons[0]}"


def with_rulings(
    run: RunRecord, rulings: Sequence[Ruling], *, judge: str | None, answers: Sequence[Answer]
) -> RunRecord:
    """A run that is a success as far as its other checks say, with what judges say of it.

    Args:
        run: Without rulings.
        rulings: At least one.
        judge: The model that was asked; None where none was.
        answers: All that it answered, what is no answer included.
    """
    passed = [ruling.passed for ruling in rulings]
    failed = [f"{each.check} ({each.reason})" for each in rulings if each.passed is False]
    agreements = [each.agreement for each in rulings if each.agreement is not None]
    was_asked = judge is not None
    changed: dict[str, Any] = {
        "success": False if False in passed else None if None in passed else True,
        "success_without_judge": run.success,
        "failed_checks": [*run.failed_checks, *failed],
        "judge_model": judge,
        "judge_agreement": fmean(agreements) if agreements else None,
        "judge_tokens": _total([each.tokens for each in answers]) if was_asked else None,
        "judge_spend_usd": _total([each.spend_usd for each in answers]) if was_asked else None,
        "judge_rulings": [asdict(ruling) for ruling in rulings],
    }
    return RunRecord.model_validate(run.model_dump() | changed)


def _total(amounts: Sequence[Any]) -> Any:
    return None if None in amounts else sum(amounts)
