"""The schemas behind a `tools_hash` are kept once, and a damaged file is no schema."""

from pathlib import Path

import pytest

from assay.store.comparability import Difference
from assay.store.evaluations import EvaluationFolder
from assay.store.toolsets import changed_tools, in_words, keep_tools, read_tools, results_near
from assay.tool_schemas import ToolSchema, ToolSchemas

OLD = ToolSchemas([ToolSchema("kb.search", "", {"properties": {"query": {"type": "string"}}})])
NEW = ToolSchemas([ToolSchema("kb.search", "", {"properties": {}})])
DIFFERENT = Difference("tools_hash", (OLD.hash,), (NEW.hash,))


def evaluation(results: Path, name: str = "20261125-1") -> EvaluationFolder:
    folder = EvaluationFolder(results / name)
    folder.path.mkdir(exist_ok=True)
    folder.journal.touch()
    return folder


def test_tools_are_kept_with_their_runs_and_found_by_their_hash(tmp_path: Path) -> None:
    """An evaluation's folder is whole by itself, and others find what it knows."""
    for _ in range(2):
        keep_tools(evaluation(tmp_path), OLD)
    (file,) = evaluation(tmp_path).tools.iterdir()
    assert file.name == f"{OLD.hash}.json"
    found = read_tools([tmp_path / "other", tmp_path], OLD.hash)
    assert found is not None
    assert found.text == OLD.text
    for log in (".", "journal.jsonl", "runs", "runs/round-001.parquet"):
        assert results_near(evaluation(tmp_path).path / log) == [tmp_path]
    assert results_near(tmp_path / "log.csv") == []


def test_a_difference_of_tools_says_what_it_is_where_both_are_known(tmp_path: Path) -> None:
    """Twelve digits tell nobody anything."""
    keep_tools(evaluation(tmp_path), OLD)
    plain = f"tools_hash: {OLD.hash} | {NEW.hash}"
    assert in_words(DIFFERENT, [tmp_path]) == plain
    keep_tools(evaluation(tmp_path, "20261125-2"), NEW)
    assert in_words(DIFFERENT, [tmp_path]) == f"{plain} (tool `kb.search` lost field `query`)"
    assert in_words(Difference("model", ("a",), ("b",)), [tmp_path]) == "model: a | b"


def test_an_evaluation_that_goes_on_with_other_tools_says_so(tmp_path: Path) -> None:
    """A server may have been deployed anew since it was interrupted."""
    folder, config = evaluation(tmp_path), tmp_path / "assay.yaml"
    keep_tools(folder, OLD)
    assert changed_tools(folder, config=config, tools=OLD) is None
    keep_tools(folder, NEW)
    assert changed_tools(folder, config=config, tools=NEW) == (
        "the tools have changed since this evaluation began: tool `kb.search` lost field `query`"
    )


@pytest.mark.parametrize("damage", ["", "[]", "not json", '[["a"]]'])
def test_a_file_that_is_not_what_its_name_says_is_no_schema(tmp_path: Path, damage: str) -> None:
    """It would explain a difference with what never was; the next evaluation mends it."""
    keep_tools(evaluation(tmp_path), OLD)
    file = evaluation(tmp_path).tools / f"{OLD.hash}.json"
    file.write_text(damage)
    assert read_tools([tmp_path], OLD.hash) is None
    keep_tools(evaluation(tmp_path), OLD)
    assert read_tools([tmp_path], OLD.hash) is not None


@pytest.mark.parametrize("named", ["../secret", "", "x" * 5000, "\0"])
def test_a_hash_from_a_foreign_log_reaches_no_other_file(tmp_path: Path, named: str) -> None:
    """Logs come from anywhere."""
    (tmp_path / "secret.json").write_text("[]")
    assert read_tools([tmp_path / "results"], named) is None
