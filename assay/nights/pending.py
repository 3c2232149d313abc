"""Candidates that wait for their verdict: each question is asked once.

Thirty nightly tries at an error of 5 % would promote a bad prompt more often than not. So an
inconclusive evaluation goes on, with the error that it began with, until its nights are over.
"""

from pydantic import ValidationError

from assay.nights.document import Night, read_kept
from assay.plan import Plan
from assay.store.evaluations import EvaluationFolder, evaluations


def settled_already(plan: Plan) -> str | None:
    """Why a candidate is not evaluated tonight, in words; None if it is.

    Args:
        plan: Of one candidate over several nights, its earlier nights found.
    """
    if plan.looks_before >= len(plan.looks):
        return (
            f"inconclusive after {plan.nights} nights (evaluation {plan.evaluation_id}): its error "
            "is spent; add golden tasks, or save the text as a new version"
        )
    for folder in evaluations(plan.config.folder / plan.config.results.uri):
        header = folder.header() or {}
        if header.get("question_hash") != plan.question_hash or not folder.decision.exists():
            continue
        if (why := _verdict(folder, is_own=folder.evaluation_id == plan.evaluation_id)) is not None:
            return why
    return None


def _verdict(folder: EvaluationFolder, *, is_own: bool) -> str | None:
    try:
        kept = read_kept(folder.decision.read_bytes())
    except ValidationError:
        return None  # damaged, or of another version: it must not stop the night
    if isinstance(kept, Night) or (is_own and kept.verdict == "inconclusive"):
        return None
    spent = ", whose error is spent" if kept.verdict == "inconclusive" else ""
    return f"{kept.verdict} already (evaluation {folder.evaluation_id}{spent})"
