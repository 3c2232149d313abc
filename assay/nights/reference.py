"""The kept runs that tonight's are held against: from when `active` was promoted.

They are those of the evaluation that promoted it, if they were made under tonight's
settings; else of the first night since the last switch that was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from assay.history import Entry
from assay.nights.document import Reference
from assay.store.comparability import differences
from assay.store.evaluations import EvaluationFolder, evaluations
from assay.store.parquet import read_runs
from assay.store.toolsets import in_words

KEPT, TONIGHT = "kept", "tonight"
PRICES = "price_table"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptRuns:
    """Another evaluation's runs beside tonight's, told apart as prompts are: by prompt_id."""

    about: Reference
    tables: dict[str, pa.Table]
    """By prompt_id: its runs of both times, their prompt_id now `KEPT` or `TONIGHT`."""
    differing: tuple[str, ...]
    """In what the settings differ beside prices: then the two cannot be compared."""
    notes: tuple[str, ...]


def find_reference(
    tonight: EvaluationFolder,
    runs: pa.Table,
    *,
    prompt_ids: Sequence[str],
    active: str,
    history: Sequence[Entry],
) -> tuple[KeptRuns | None, tuple[str, ...]]:
    """The kept runs, and what a reader has to know of the choice.

    Args:
        tonight: Tonight's folder; the others stand beside it.
        runs: Tonight's runs.
        prompt_ids: Whose runs are needed.
        active: The active version, such as `support:v13`.
        history: The switches of this config, oldest first.
    """
    notes: tuple[str, ...] = ()
    for folder, is_promotion in _candidates(tonight, active, history, prompt_ids):
        kept = beside(folder, runs, prompt_ids=prompt_ids, is_promotion=is_promotion)
        if kept is not None and not kept.differing:
            return kept, (*notes, *kept.notes)
        if kept is not None and not notes:  # the nearest one's reason is the one to know
            notes = (f"not held against {folder.evaluation_id}: {'; '.join(kept.differing)}",)
    return None, notes


def beside(
    folder: EvaluationFolder, runs: pa.Table, *, prompt_ids: Sequence[str], is_promotion: bool
) -> KeptRuns | None:
    """A folder's runs beside tonight's; None where no golden task is the same in both.

    Nor is there a reference in files that cannot be read.
    """
    try:
        kept = read_runs(sorted(folder.runs.glob("round-*.parquet")))
    except (OSError, ValueError):  # PyArrow's errors are ValueErrors
        return None
    tables = {each: _both_times(kept, runs, each) for each in prompt_ids}
    if not all(_has_both(table) for table in tables.values()):
        return None
    differing = {
        each.field: in_words(each, [folder.path.parent])
        for table in tables.values()
        for each in differences(table, baseline=KEPT, candidate=TONIGHT)
    }
    notes: tuple[str, ...] = ()
    if (prices := differing.pop(PRICES, None)) is not None:
        tables = {each: _without_spend(table) for each, table in tables.items()}
        notes = (f"spend is left out: {prices}",)
    return KeptRuns(
        about=Reference(
            evaluation_id=folder.evaluation_id,
            at=created_at(folder),
            is_promotion=is_promotion,
        ),
        tables=tables,
        differing=tuple(differing.values()),
        notes=notes,
    )


def created_at(folder: EvaluationFolder) -> datetime:
    """When an evaluation began; its header is whole."""
    header = folder.header() or {}
    return datetime.fromisoformat(header["created_at"])


def _candidates(
    tonight: EvaluationFolder, active: str, history: Sequence[Entry], prompt_ids: Sequence[str]
) -> Iterator[tuple[EvaluationFolder, bool]]:
    """The promoting evaluation, then the others since the last switch, the oldest first."""
    folders = [
        folder
        for folder in reversed(evaluations(tonight.path.parent))
        if folder.path != tonight.path
        and {prompt.get("prompt_id") for prompt in folder.prompts}.issuperset(prompt_ids)
        and folder.decision.exists()
    ]
    last = next((entry for entry in reversed(history) if entry.after.active == active), None)
    promoting = last.cause.evaluation_id if last else None
    yield from ((folder, True) for folder in folders if folder.evaluation_id == promoting)
    since = history[-1].cause.at if history else datetime.min.replace(tzinfo=UTC)
    for folder in folders:
        if folder.evaluation_id != promoting and created_at(folder) >= since:
            yield folder, False


def _both_times(kept: pa.Table, tonight: pa.Table, prompt_id: str) -> pa.Table:
    """One prompt's runs on the golden tasks that are the same at both times."""
    tables = [table.filter(pc.equal(table["prompt_id"], prompt_id)) for table in (kept, tonight)]
    alike = [_tasks(table) for table in tables]
    both = pa.array(sorted(alike[0] & alike[1]), type=pa.string())
    return pa.concat_tables(
        _named(table.filter(pc.is_in(_task_keys(table), value_set=both)), name)
        for table, name in zip(tables, (KEPT, TONIGHT), strict=True)
    )


def _task_keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["golden_task_id"], table["golden_task_hash"], "\x00")


def _tasks(table: pa.Table) -> set[str]:
    return set(pc.unique(_task_keys(table)).to_pylist())


def _named(table: pa.Table, name: str) -> pa.Table:
    place = table.schema.get_field_index("prompt_id")
    return table.set_column(place, "prompt_id", pa.array([name] * len(table), type=pa.string()))


def _has_both(table: pa.Table) -> bool:
    return {KEPT, TONIGHT} <= set(pc.unique(table["prompt_id"]).to_pylist())


def _without_spend(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("spend_usd")
    return table.set_column(place, "spend_usd", pa.nulls(len(table), pa.float64()))
