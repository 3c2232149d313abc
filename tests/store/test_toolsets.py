"""The schemas behind a `tools_hash` are kept once, and a damaged file is no schema."""

from pathlib import Path

import pytest

from assay.store.comparability import Difference
from assay.store.toolsets import in_words, keep_tools, read_tools, results_near
from assay.tool_schemas import ToolSchema, ToolSchemas

OLD = ToolSchemas([ToolSchema("kb.search", "", {"properties": {"query": {"type": "string"}}})])
NEW = ToolSchemas([ToolSchema("kb.search", "", {"properties": {}})])
DIFFERENT = Difference("tools_hash", (OLD.hash,), (NEW.hash,))


def test_tools_are_kept_once_and_found_by_their_hash(tmp_path: Path) -> None:
    """A thousand nights with the same tools need one file."""
    for _ in range(2):
        keep_tools(tmp_path, OLD)
    (file,) = (tmp_path / "toolsets").iterdir()
    assert file.name == f"{OLD.hash}.json"
    found = read_tools([tmp_path / "other", tmp_path], OLD.hash)
    assert found is not None
    assert found.text == OLD.text
    assert results_near(tmp_path / "20261125-1" / "runs" / "round-001.parquet") == [tmp_path]


def test_a_difference_of_tools_says_what_it_is_where_both_are_known(tmp_path: Path) -> None:
    """Twelve digits tell nobody anything."""
    keep_tools(tmp_path, OLD)
    plain = f"tools_hash: {OLD.hash} | {NEW.hash}"
    assert in_words(DIFFERENT, [tmp_path]) == plain
    keep_tools(tmp_path, NEW)
    assert in_words(DIFFERENT, [tmp_path]) == f"{plain} (tool `kb.search` lost field `query`)"
    assert in_words(Difference("model", ("a",), ("b",)), [tmp_path]) == "model: a | b"


@pytest.mark.parametrize("damage", ["", "[]", "not json", '[["a"]]'])
def test_a_file_that_is_not_what_its_name_says_is_no_schema(tmp_path: Path, damage: str) -> None:
    """It would explain a difference with what never was; the next evaluation mends it."""
    keep_tools(tmp_path, OLD)
    file = tmp_path / "toolsets" / f"{OLD.hash}.json"
    file.write_text(damage)
    assert read_tools([tmp_path], OLD.hash) is None
    keep_tools(tmp_path, OLD)
    assert read_tools([tmp_path], OLD.hash) is not None


@pytest.mark.parametrize("named", ["../secret", "", "x" * 5000, "\0"])
def test_a_hash_from_a_foreign_log_reaches_no_other_file(tmp_path: Path, named: str) -> None:
    """Logs come from anywhere."""
    (tmp_path / "secret.json").write_text("[]")
    assert read_tools([tmp_path / "results"], named) is None
