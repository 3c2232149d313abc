"""The tools that an evaluation's runs were offered, by `tools_hash`: `results/ID/tools/HASH.json`.

A file holds all that was hashed, so that a damaged one is told by its own name.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from assay.durable import replace_file
from assay.store.evaluations import EvaluationFolder, evaluations
from assay.store.journal import writing
from assay.tool_changes import in_short, tool_changes
from assay.tool_schemas import ToolSchemas

if TYPE_CHECKING:
    from assay.store.comparability import Difference

MAX_LOOKED_AT = 20
"""Evaluations that are looked at for the tools of the one before."""


def keep_tools(folder: EvaluationFolder, tools: ToolSchemas) -> None:
    """Keep what a hash stands for with the runs that have it; under the folder's lock.

    Raises:
        CannotEvaluate: It cannot be written.
    """
    path = folder.tools / f"{tools.hash}.json"
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        replace_file(path, tools.text.encode())


def read_tools(results: Iterable[Path], tools_hash: str) -> ToolSchemas | None:
    """The tools of a hash, from any evaluation in these results folders."""
    if not tools_hash.isalnum():  # a log may say anything
        return None
    for path in (path for folder in results for path in folder.glob(f"*/tools/{tools_hash}.json")):
        with suppress(OSError, ValueError):
            tools = ToolSchemas.of_text(path.read_bytes())
            if tools.hash == tools_hash:
                return tools
    return None


def in_words(difference: "Difference", results: Iterable[Path]) -> str:
    """A difference between two arms; of their tools also what it is, where both are known."""
    said, arms = str(difference), (difference.baseline, difference.candidate)
    if difference.field != "tools_hash" or not all(arms):
        return said
    folders = list(results)
    before, after = (read_tools(folders, arm[0]) for arm in arms)
    changes = tool_changes(before, after) if before and after else []
    return f"{said} ({in_short(changes)})" if changes else said


def changed_tools(folder: EvaluationFolder, *, config: Path, tools: ToolSchemas) -> str | None:
    """What changed since this evaluation began, or since the last one of its config, if anything.

    Args:
        folder: Its own; it has its tools already.
        config: The `assay.yaml`.
        tools: What its runs are offered now.
    """
    if earlier := [each for each in _kept(folder) if each.hash != tools.hash]:
        changes = in_short(tool_changes(earlier[0], tools))
        return f"the tools have changed since this evaluation began: {changes}"
    for other in _evaluations_before(folder, config):
        if kept := _kept(other):
            changes = in_short(tool_changes(kept[0], tools))
            said = f"the tools have changed since {other.evaluation_id}: {changes}"
            return said if changes else None
    return None


def results_near(path: Path) -> list[Path]:
    """The results folder of the evaluation that `path` is, or lies in; none for other logs."""
    here = path.absolute()
    folders = [
        each for each in (here, *here.parents[:2]) if EvaluationFolder(each).journal.exists()
    ]
    return [folder.parent for folder in folders]


def _evaluations_before(folder: EvaluationFolder, config: Path) -> Iterator[EvaluationFolder]:
    others = [each for each in evaluations(folder.path.parent) if each.path < folder.path]
    for other in others[:MAX_LOOKED_AT]:
        if (other.header() or {}).get("config") == str(config):
            yield other


def _kept(folder: EvaluationFolder) -> list[ToolSchemas]:
    """The tools of an evaluation's runs, the newest first; damaged files are left out."""
    found = []
    for path in folder.tools.glob("*.json"):
        with suppress(OSError, ValueError):
            found.append((path.stat().st_mtime, ToolSchemas.of_text(path.read_bytes())))
    return [tools for _, tools in sorted(found, key=lambda each: each[0], reverse=True)]
