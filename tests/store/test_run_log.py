"""Run logs of other harnesses, as runs: what is found, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from assay.errors import InputError
from assay.store.run_log import RunLog, read_run_log


def rows(**columns: Any) -> list[dict[str, Any]]:
    """Two prompts, two golden tasks, two repeats; `columns` are added to every run."""
    return [
        {"prompt_id": prompt, "task_id": task, "total_tokens": 100 + repeat, **columns}
        for repeat in (1, 2)
        for task in ("a", "b")
        for prompt in ("v1", "v2")
    ]


def jsonl(folder: Path, runs: list[Any], name: str = "runs.jsonl") -> Path:
    """A log as JSON lines."""
    path = folder / name
    path.write_text("".join(f"{json.dumps(each)}\n" for each in runs), encoding="utf-8")
    return path


def read(path: Path, **named: str) -> RunLog:
    """With columns named as `ours=theirs`."""
    return read_run_log(path, named=named)


def column(log: RunLog, name: str) -> list[Any]:
    """The values of one of our columns."""
    values: list[Any] = log.runs[name].to_pylist()
    return values


def test_json_lines_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    """Teams keep what their harness writes."""
    table = pa.Table.from_pylist(rows(success=True, num_tool_calls=3))
    pyarrow.csv.write_csv(table, tmp_path / "runs.csv")
    pq.write_table(table, tmp_path / "runs.parquet")
    paths = [jsonl(tmp_path, table.to_pylist()), tmp_path / "runs.csv", tmp_path / "runs.parquet"]
    logs = [read(path).runs.to_pylist() for path in paths]
    assert logs[0] == logs[1] == logs[2]
    assert logs[0][0]["tool_calls"] == 3.0
    assert logs[0][0]["success"] is True


def test_nested_usage_is_found_and_added_up(tmp_path: Path) -> None:
    """OpenAI's way to say it; what was taken is told, so that a wrong guess is seen."""
    runs = [
        {"prompt": "v1", "task": "a", "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
        {"prompt": "v2", "task": "a", "usage": {"prompt_tokens": 20, "completion_tokens": 7}},
    ]
    log = read(jsonl(tmp_path, runs))
    assert column(log, "total_tokens") == [15.0, 27.0]
    assert log.sources["total_tokens"] == "usage.prompt_tokens + usage.completion_tokens"


def test_milliseconds_become_seconds(tmp_path: Path) -> None:
    """A unit that is off by a thousand would pass every ratio unseen, and be printed wrong."""
    log = read(jsonl(tmp_path, rows(latency_ms=1500)))
    assert set(column(log, "latency_s")) == {1.5}
    assert log.sources["latency_s"] == "latency_ms / 1000"


def test_a_list_of_tool_calls_is_counted(tmp_path: Path) -> None:
    """Many logs keep the calls themselves."""
    runs = rows(tool_calls=[{"name": "search"}, {"name": "read"}])
    assert set(column(read(jsonl(tmp_path, runs)), "tool_calls")) == {2.0}


def conversation(calls: int) -> list[dict[str, Any]]:
    """Messages of which one calls tools, as OpenAI writes them."""
    call = {"id": "1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    return [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [call] * calls},
        {"role": "tool", "content": "found", "tool_call_id": "1"},
    ]


def test_tool_calls_are_counted_in_the_conversation_where_nothing_else_tells(
    tmp_path: Path,
) -> None:
    """tau-bench keeps `traj` and no counts; a count that is there is taken before it."""
    runs = [{**each, "traj": conversation(calls)} for calls, each in enumerate(rows())]
    runs[7]["traj"] = None
    log = read(jsonl(tmp_path, runs))
    assert column(log, "tool_calls") == [0, 1, 2, 3, 4, 5, 6, None]
    assert log.sources["tool_calls"] == "those in traj"
    counted = [{**each, "toolCalls": 9} for each in runs]
    assert set(column(read(jsonl(tmp_path, counted)), "tool_calls")) == {9.0}


@pytest.mark.parametrize("messages", ["text", ["text"], [{"role": "user"}], [{"tool_calls": 2}]])
def test_conversations_without_tool_calls_say_nothing_of_them(
    tmp_path: Path, messages: Any
) -> None:
    """A conversation that cannot be read is not one without calls."""
    log = read(jsonl(tmp_path, rows(messages=messages)))
    assert set(column(log, "tool_calls")) == {None}


@pytest.mark.parametrize(
    ("theirs", "value", "ours", "expected"),
    [
        ("tokensTotal", 7, "total_tokens", 7.0),
        ("Total Tokens", 7, "total_tokens", 7.0),
        ("agent", {"total_tokens": 7}, "total_tokens", 7.0),
        ("toolCalls", 3, "tool_calls", 3.0),
        ("agent", {"cost_usd": 0.5}, "spend_usd", 0.5),
        ("wallMs", 1500, "latency_s", 1.5),
        ("wall_time_seconds", 1.5, "latency_s", 1.5),
        ("grade", {"pass": True}, "success", True),
        ("reward_info", {"reward": 0.0}, "success", False),
    ],
)
def test_names_that_public_logs_use_are_found(
    tmp_path: Path, theirs: str, value: Any, ours: str, expected: Any
) -> None:
    """As agent benchmarks write them, in camel case, in words, and inside of objects."""
    runs = [
        {"condition": each["prompt_id"], "taskName": each["task_id"], theirs: value}
        for each in rows()
    ]
    assert set(column(read(jsonl(tmp_path, runs)), ours)) == {expected}


def test_a_name_that_is_in_two_objects_is_no_guess(tmp_path: Path) -> None:
    """Whose cost it is, the agent's or the simulated user's, nobody told us."""
    runs = rows(agent={"cost_usd": 1.0}, user={"cost_usd": 2.0})
    assert set(column(read(jsonl(tmp_path, runs)), "spend_usd")) == {None}


def test_cached_tokens_are_added_where_they_are_counted_apart(tmp_path: Path) -> None:
    """Anthropic's input tokens leave them out; a prompt that is cached would look free."""
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100}
    runs = [
        {"prompt": "v1", "task": "a", "usage": usage | {"cache_creation_input_tokens": 7}},
        {"prompt": "v2", "task": "a", "usage": usage | {"cache_creation_input_tokens": None}},
    ]
    assert column(read(jsonl(tmp_path, runs)), "total_tokens") == [122.0, 115.0]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda runs: {"results": {"results": runs}, "version": 3},
        lambda runs: {"info": {}, "tasks": [{}], "simulations": runs},
    ],
)
def test_one_object_that_holds_the_runs_is_a_log(tmp_path: Path, wrap: Any) -> None:
    """As tau2-bench and promptfoo write them, indented."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(wrap(rows()), indent=2), encoding="utf-8")
    assert len(read(path).runs) == 8


def test_a_named_column_wins_over_a_guess(tmp_path: Path) -> None:
    """The user knows better which of two columns counts."""
    log = read(jsonl(tmp_path, rows(billed={"tokens": 7})), total_tokens="billed.tokens")
    assert set(column(log, "total_tokens")) == {7.0}


def test_prompt_versions_of_a_csv_stay_text(tmp_path: Path) -> None:
    """As numbers 1.10 and 1.1 would be one prompt."""
    path = tmp_path / "runs.csv"
    path.write_text("version,task,tokens\n1.10,01,5\n1.1,1,6\n", encoding="utf-8")
    assert column(read(path), "prompt_id") == ["1.10", "1.1"]
    assert column(read(path), "golden_task_id") == ["01", "1"]


def test_a_column_that_changes_its_type_does_no_harm(tmp_path: Path) -> None:
    """Outputs are text in one run and objects in the next."""
    runs = [
        {**each, "output": output} for each, output in zip(rows(), ["x", {"y": 1}] * 4, strict=True)
    ]
    assert len(read(jsonl(tmp_path, runs)).runs) == 8


def test_a_json_list_is_a_log_too(tmp_path: Path) -> None:
    """`json.dump(results)` writes one."""
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(rows()), encoding="utf-8")
    assert len(read(path).runs) == 8


def test_repeats_are_numbered_within_their_cell(tmp_path: Path) -> None:
    """Most logs do not number them."""
    assert column(read(jsonl(tmp_path, rows())), "repeat") == [1, 1, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_metrics_stay_missing(tmp_path: Path, missing: float | None) -> None:
    """A run without a count did not cost nothing."""
    runs = rows()
    runs[3]["total_tokens"] = missing
    assert column(read(jsonl(tmp_path, runs)), "total_tokens")[3] is None


@pytest.mark.parametrize("bad", [float("inf"), -1, "many", 2**70 * 10**300, 1e300])
def test_impossible_metrics_are_refused_with_the_column_and_the_run(
    tmp_path: Path, bad: Any
) -> None:
    """An infinity would make every mean infinite; a -1 mostly stands for not known."""
    runs = rows()
    runs[3]["total_tokens"] = bad
    with pytest.raises(InputError, match="total_tokens: run 4 holds") as refused:
        read(jsonl(tmp_path, runs))
    assert "null" in (refused.value.mend or "")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 0], [True, False]),
        ([1.0, None], [True, None]),
        (["pass", "FAIL"], [True, False]),
        (["true", ""], [True, None]),
        ([True, None], [True, None]),
    ],
)
def test_success_is_yes_no_or_unknown(
    tmp_path: Path, values: list[Any], expected: list[bool | None]
) -> None:
    """Unknown must not become a failure."""
    runs = [{**each, "passed": value} for each, value in zip(rows(), values * 4, strict=True)]
    assert column(read(jsonl(tmp_path, runs)), "success") == expected * 4


def test_a_graded_reward_is_no_success_and_is_said(tmp_path: Path) -> None:
    """What .5 means nobody told us; the tokens can be compared all the same."""
    assert set(column(read(jsonl(tmp_path, rows(reward=-1))), "success")) == {None}
    log = read(jsonl(tmp_path, rows(reward=0.5)))
    assert set(column(log, "success")) == {None}
    assert log.sources["success"] == "none (reward holds numbers other than 0 and 1)"
    with pytest.raises(InputError, match="'reward' holds numbers other than 0 and 1"):
        read(jsonl(tmp_path, rows(reward=0.5)), success="reward")


@pytest.mark.parametrize(
    ("drop", "problem"),
    [
        ("prompt_id", "no column for the prompt"),
        ("task_id", "no column for the golden task"),
        ("total_tokens", "no metric"),
    ],
)
def test_a_missing_column_is_named_with_the_columns_there_are(
    tmp_path: Path, drop: str, problem: str
) -> None:
    """The mend is a flag that can be copied."""
    runs = [{k: v for k, v in each.items() if k != drop} | {"mine": "x"} for each in rows()]
    with pytest.raises(InputError, match=problem) as refused:
        read(jsonl(tmp_path, runs))
    assert "--column " in str(refused.value)
    assert "mine" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("none.jsonl", None, "no such file"),
        ("empty.jsonl", b"", "no runs"),
        ("broken.jsonl", b'{"prompt": "v1"}\n{"prompt": \n', "2: not valid JSON"),
        ("text.jsonl", b'"just text"\n', "1: a run is a JSON object"),
        ("null.jsonl", b"null\n", "1: a run is a JSON object"),
        ("null.jsonl", b'{"prompt": "v1"}\nnull\n', "2: a run is a JSON object"),
        ("deep.jsonl", b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}\n", "1: not valid JSON"),
        ("latin.jsonl", b'{"prompt": "v1", "task": "\xe9", "tokens": 1}\n', "1: not valid JSON"),
        ("binary.parquet", b"PAR1 not really", "cannot be read"),
        ("header.csv", b"prompt,task,tokens\n", "no runs"),
        ("runs.xlsx", b"x", "'.xlsx' is no run log"),
    ],
)
def test_files_that_are_no_logs_are_refused_in_words(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    """A traceback of the reader's helps nobody."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as refused:
        read(path)
    assert refused.value.mend


def test_a_run_without_a_prompt_is_refused(tmp_path: Path) -> None:
    """To leave it out silently would change the answer."""
    runs = rows()
    runs[2]["prompt_id"] = None
    with pytest.raises(InputError, match="a run has no prompt"):
        read(jsonl(tmp_path, runs))


def test_a_byte_order_mark_and_a_huge_cell_are_read(tmp_path: Path) -> None:
    """Spreadsheets write the one, transcripts are the other."""
    marked = tmp_path / "runs.json"
    marked.write_bytes(b"\xef\xbb\xbf" + json.dumps(rows()).encode())
    assert len(read(marked).runs) == 8
    huge = tmp_path / "runs.csv"
    huge.write_text(f"prompt,task,tokens,output\nv1,a,5,{'x' * 2**21}\nv2,a,6,\n")
    assert column(read(huge), "total_tokens") == [5.0, 6.0]


def test_a_folder_of_parquet_is_one_log(tmp_path: Path) -> None:
    """An evaluation keeps one file a round."""
    table = pa.Table.from_pylist(rows())
    (tmp_path / "runs").mkdir()
    for number in (1, 2):
        pq.write_table(table, tmp_path / "runs" / f"round-{number:03d}.parquet")
    assert len(read(tmp_path / "runs").runs) == 16
    assert len(read(tmp_path).runs) == 16


def test_a_column_given_flat_and_nested_is_taken_once(tmp_path: Path) -> None:
    """Some exporters write both."""
    runs = [
        {"prompt": "v1", "task": "a", "usage.total_tokens": 3, "usage": {"total_tokens": 4}},
    ]
    assert column(read(jsonl(tmp_path, runs)), "total_tokens") == [3.0]
