"""Which record a replay is of: found among the evaluations, and held against the prompts."""

from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from assay.config import Config
from assay.errors import InputError
from assay.golden import GoldenTask
from assay.prompts import PromptVersion
from assay.store.evaluations import EvaluationFolder, evaluations, find_evaluation
from assay.store.replay import ReplayMode

MAX_LOOKED_AT = 200
"""Older evaluations are not looked at."""
RECORD_ANEW = "record one: assay evaluate ... --record"


def check_can_replay(config: Config, option: str, mode: ReplayMode | None = None) -> None:
    """What is recorded passes through our hands: an agent of one's own has tools that do not.

    Raises:
        InputError: The agent is one whose exchanges are not seen.
    """
    agent = config.agent
    if agent.kind == "builtin":
        return
    if agent.proxy is None:
        raise InputError(
            f"{option}: what an agent of kind {agent.kind!r} asks its model and its tools "
            "is not seen",
            path=config.path,
            mend="put agent.proxy in front, or leave it out",
        )
    if mode is ReplayMode.TOOLS:
        raise InputError(
            f"{option} tools: what an agent of kind {agent.kind!r} asks its tools is not seen",
            path=config.path,
            mend="use --replay all, or leave it out",
        )


def recorded_evaluation(
    config: Config,
    mode: ReplayMode,
    *,
    evaluation_id: str | None,
    candidates: Sequence[str],
    tasks: Sequence[GoldenTask],
) -> EvaluationFolder:
    """The evaluation to replay: the named one, else the newest whose record will do.

    Args:
        config: Names the results folder, and the agent's code.
        mode: What the record has to answer.
        evaluation_id: Its id, or how it begins; None looks for one.
        candidates: Such as `support:v14`; to be replayed with `all`, they were run.
        tasks: To be run.

    Raises:
        InputError: There is none.
    """
    results = config.folder / config.results.uri
    if evaluation_id is not None:
        folder = find_evaluation(results, evaluation_id)
        if folder.record.exists:
            return folder
        raise InputError(f"evaluation {folder.evaluation_id} has no record", mend=RECORD_ANEW)
    wanted = candidates if mode is ReplayMode.ALL else ()
    found = list(_with_record(results, wanted=wanted, tasks={task.id for task in tasks}))
    if not found:
        about = " of these prompts" if wanted else ""
        raise InputError(
            f"no evaluation{about} on these golden tasks has a record", mend=RECORD_ANEW
        )
    code = config.code_hashes
    return next((folder for folder in found if _code(folder) == code), found[0])


def _with_record(
    results: Path, *, wanted: Sequence[str], tasks: Set[str]
) -> Iterator[EvaluationFolder]:
    """The evaluations with a record of the world, the newest first."""
    for folder in evaluations(results)[:MAX_LOOKED_AT]:
        header = folder.header()
        if header is None or "replay" in header or not folder.record.exists:
            continue
        prompts = {f"{prompt.get('name')}:{prompt.get('version')}" for prompt in folder.prompts}
        if prompts.issuperset(wanted) and set(header.get("golden", ())).issuperset(tasks):
            yield folder


def _code(folder: EvaluationFolder) -> list[str] | None:
    header = folder.record.header()
    return None if header is None else header.code


def check_judged(folder: EvaluationFolder, tasks: Sequence[GoldenTask]) -> None:
    """What judges were asked about is still the question: nobody can ask them anew.

    Raises:
        InputError: A golden task that is judged has changed.
    """
    then = (folder.header() or {}).get("golden", {})
    for task in tasks:
        if task.asks_a_judge and then.get(task.id) != task.hash:
            raise InputError(
                f"golden task {task.id!r} is judged, and not the one of evaluation "
                f"{folder.evaluation_id} any more",
                mend=f"put it back as it was, or {RECORD_ANEW}",
            )


def check_prompts(folder: EvaluationFolder, prompts: Sequence[PromptVersion]) -> None:
    """The texts are those that were recorded.

    Raises:
        InputError: One of them is not.
    """
    known = [str(prompt.get("prompt_id")) for prompt in folder.prompts]
    for prompt in prompts:
        if prompt.prompt_id not in known:
            raise InputError(
                f"{prompt.prompt_id} is not in the record of evaluation {folder.evaluation_id}, "
                f"which holds {', '.join(known)}",
                mend=f"put the text back as it was, or {RECORD_ANEW}",
            )
