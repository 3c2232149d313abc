"""From the columns of Parquet to the two arms of a decision, without a loop over runs."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.decision.arms import Arm, Flags, JudgesColumns
from assay.records import BUDGET_STOPS, PromptRef, StopReason
from assay.stats.samples import Floats, Ints

METRICS = ("total_tokens", "tool_calls", "spend_usd", "latency_s")
COLUMNS = (
    "prompt_id", "golden_task_id", "repeat", "stop_reason", "success",
    "violated_invariants", *METRICS,
)  # fmt: skip
"""What a decision reads of a run."""

JUDGES = (
    "success_without_judge", "judge_model", "judge_agreement", "judge_tokens", "judge_spend_usd",
)  # fmt: skip
"""What it reads beside, where any run's golden task has a check that is judged."""

STOPS: Sequence[str] = (StopReason.INFRA_ERROR, *sorted(BUDGET_STOPS))
"""Those that bear on what a run counts for."""


def read_arm(table: pa.Table, prompt: PromptRef, *, tasks: Mapping[str, str]) -> Arm:
    """The runs of one prompt.

    Args:
        table: Runs, with `COLUMNS` at least.
        prompt: Whose runs to take.
        tasks: Golden task id -> its expected stop reason, in the order of their numbers;
            runs of other tasks are left out.
    """
    numbers = _codes(table["golden_task_id"], list(tasks))
    kept = np.flatnonzero((_codes(table["prompt_id"], [prompt.prompt_id]) == 0) & (numbers >= 0))
    numbers = numbers[kept]
    stops = _codes(table["stop_reason"], STOPS)[kept]
    expected = np.array([STOPS.index(each) if each in STOPS else -1 for each in tasks.values()])
    is_budget_stop = stops > STOPS.index(StopReason.INFRA_ERROR)
    return Arm(
        prompt=prompt,
        tasks=numbers,
        repeats=table["repeat"].to_numpy()[kept].astype(np.int64),
        metrics={name: _floats(table[name])[kept] for name in METRICS},
        success=_floats(table["success"])[kept],
        infra=stops == STOPS.index(StopReason.INFRA_ERROR),
        cut=is_budget_stop & (stops != expected[numbers]),
        violations={name: on[kept] for name, on in _violations(table["violated_invariants"])},
        judges=_judges(table, kept),
    )


def _judges(table: pa.Table, kept: Ints) -> JudgesColumns | None:
    """What judges said of the kept rows; None where no row knows of judges."""
    if not set(JUDGES).issubset(table.column_names):
        return None
    without = _floats(table["success_without_judge"])
    if np.isnan(without).all():
        return None
    has_none = np.isnan(without)  # no check of its golden task is judged
    return JudgesColumns(
        success_without=np.where(has_none, _floats(table["success"]), without)[kept],
        ruled=np.equal(without, 1.0)[kept],
        asked=table["judge_model"].is_valid().to_numpy()[kept],
        agreement=_floats(table["judge_agreement"])[kept],
        tokens=_floats(table["judge_tokens"])[kept],
        spend_usd=_floats(table["judge_spend_usd"])[kept],
    )


def _codes(column: pa.ChunkedArray, values: Sequence[str]) -> Ints:
    """Which of the values each row holds, 0-based; -1 for none of them. Shape (n_rows,)."""
    whole = column.unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode()
    places = pc.index_in(whole.dictionary, value_set=pa.array(values, type=pa.string()))
    # One more at the end: a null's place is -1, too.
    lookup = np.append(places.fill_null(-1).to_numpy().astype(np.int64), -1)
    codes: Ints = lookup[whole.indices.fill_null(-1).to_numpy()]
    return codes


def _violations(column: pa.ChunkedArray) -> Iterator[tuple[str, Flags]]:
    """Each name in the lists, and which rows hold it."""
    whole = column.combine_chunks()
    rows, names = pc.list_parent_indices(whole), pc.list_flatten(whole)
    for name in sorted(names.unique().to_pylist()):
        flags = np.zeros(len(whole), dtype=np.bool_)
        flags[rows.filter(pc.equal(names, name)).to_numpy(zero_copy_only=False)] = True
        yield name, flags


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = pc.cast(column, pa.float64()).to_numpy()
    return values


def total_spend_usd(table: pa.Table, prompts: Sequence[PromptRef]) -> float | None:
    """What the runs of these prompts cost together; None when one's price is not known."""
    ids = pa.array([prompt.prompt_id for prompt in prompts], type=pa.string())
    spend = table.filter(pc.is_in(table["prompt_id"], value_set=ids))["spend_usd"]
    return None if spend.null_count or not len(spend) else float(pc.sum(spend).as_py())
