"""`assay golden import`: what is written, what is not, and what is said of it."""

import json
from pathlib import Path

import pytest

from assay.cli import main
from tests.intake.importing import CONFIG, EXAMPLES, Importer, checks, loaded

PIRATE = EXAMPLES / "pirate" / "promptfooconfig.yaml"
TABLE = "id,question,answer\na,One?,1\nb,Two?,2\n"


def test_importing_again_adds_nothing_new(importer: Importer) -> None:
    """Byte for byte: ids are the same each time."""
    importer(PIRATE)
    before = Path("golden/promptfooconfig.jsonl").read_bytes()
    again = importer(PIRATE, "--append", "--json")
    assert again.exit_code == 0
    assert (again.facts["imported"], again.facts["there_already"]) == ([], 6)
    assert Path("golden/promptfooconfig.jsonl").read_bytes() == before


def test_a_file_that_is_there_is_refused_without_append(importer: Importer) -> None:
    """It may hold what somebody wrote by hand."""
    importer.text("t.csv", TABLE)
    before = Path("golden/t.jsonl").read_bytes()
    again = importer.text("t.csv", TABLE + "c,Three?,3\n")
    assert again.exit_code == 2
    assert again.err == (
        "error: golden/t.jsonl: this file is there already\n"
        "  mend: add what is new with --append, or name another file with --into\n"
    )
    assert Path("golden/t.jsonl").read_bytes() == before


def test_what_is_appended_leaves_the_rest_as_it_is(importer: Importer) -> None:
    """Also a last line without its end, CRLF, and a task that somebody changed by hand."""
    mine = (
        b'{"id": "a", "input": "One?", "critical": true, "checks": []}\r\n{"id": "z", "input": "Z"}'
    )
    Path("golden").mkdir()
    Path("golden/t.jsonl").write_bytes(mine)
    ran = importer.text("t.csv", TABLE, "--append")
    assert Path("golden/t.jsonl").read_bytes().startswith(mine + b"\n")
    assert [task.id for task in loaded()] == ["a", "z", "b"]
    why = "task a is there, and held to something else: it stays as it is"
    assert ran.lost == [f"t.csv:2: test: {why}"]
    assert "golden tasks there already  1" in ran.out


def test_an_id_that_another_file_has_is_not_used_twice(importer: Importer) -> None:
    """Ids are unique over all golden files: else nothing loads any more."""
    Path("golden").mkdir()
    Path("golden/mine.jsonl").write_text('{"id": "a", "input": "Something else"}\n')
    importer.text("t.csv", TABLE)
    first, second, third = (task.id for task in loaded())
    assert (first, third) == ("a", "b")
    assert second.startswith("a-")
    assert importer.text("t.csv", TABLE, "--append", "--json").facts["imported"] == []


def test_tests_of_one_description_are_tasks_of_their_own(importer: Importer) -> None:
    """And the same test twice is one task; that is said, and each counted."""
    tests = [
        {"description": "Late", "vars": {"q": "a"}},
        {"description": "Late", "vars": {"q": "b"}},
        {"description": "Late", "vars": {"q": ["a", "b"]}},
    ]
    ran = importer.text("c.yaml", json.dumps({"prompts": ["{{q}}"], "tests": tests}))
    first, second = loaded()
    assert (first.id, second.id[:5], second.input) == ("late", "late-", "b")
    assert ran.lost == ["c.yaml:1: test: the same test is there twice"]
    assert "tests that are the same again  2\n" in ran.out


def test_nothing_is_written_while_a_golden_file_is_broken(importer: Importer) -> None:
    """The message names the user's own file, where it is to be mended."""
    Path("golden").mkdir()
    Path("golden/mine.jsonl").write_text('{"id": "a"}\n')
    ran = importer.text("t.csv", TABLE)
    assert ran.exit_code == 2
    assert "golden/mine.jsonl:1: task 'a' has no 'input'" in ran.err
    assert not Path("golden/t.jsonl").exists()


def test_a_dry_run_writes_nothing(importer: Importer) -> None:
    """It says all that the import would say."""
    ran = importer(PIRATE, "--dry-run", "--prompts", "prompts/pirate")
    assert ran.exit_code == 0
    assert "golden tasks would be imported" in ran.out
    assert "next: the same without --dry-run" in ran.out
    assert sorted(path.name for path in Path().iterdir()) == ["assay.yaml"]


def test_what_was_left_out_is_counted_by_kind_and_the_next_step_said(importer: Importer) -> None:
    """Whoever imports reads this table, and types the last line."""
    ran = importer.text(
        "t.csv",
        "question,__expected,__expected2\nOne?,fn:1,contains: 1\nTwo?,fn:2,g-eval: x\n",
        "--into",
        "golden/mine.jsonl",
    )
    assert ran.out == (
        "golden tasks imported      2\n"
        "assertions carried over    1 of 4\n"
        "left out, as listed above  3\n"
        "  assert javascript        2\n"
        "  assert g-eval            1\n"
        "note: input is the column 'question'\n"
        "note: 1 of the new tasks have no checks: a run that ends well passes them\n"
        "wrote golden/mine.jsonl\n"
        "next: assay golden check\n"
    )


def test_a_file_that_no_evaluation_would_read_is_said(importer: Importer) -> None:
    """Else the tasks are imported, and never run."""
    Path("assay.yaml").write_text(CONFIG + "testing: {golden_files: [golden/mine.jsonl]}\n")
    ran = importer.text("t.csv", TABLE)
    assert ran.exit_code == 0
    assert "next: add golden/t.jsonl to testing.golden_files in assay.yaml" in ran.out
    ran = importer.text("t.csv", TABLE, "--into", "golden/mine.jsonl")
    assert "next: assay golden check" in ran.out


def test_many_losses_alike_are_listed_up_to_twenty(importer: Importer) -> None:
    """A thousand rows lose the same thing for the same reason; `--json` has every line."""
    rows = "".join(f"Question {n}?,fn:{n}\n" for n in range(30))
    ran = importer.text("t.csv", f"question,__expected\n{rows}")
    assert len(ran.lost) == 21
    assert ran.lost[-1] == "and 10 more like this: assert javascript: it is code, and is not run"
    ran = importer.text("t.csv", f"question,__expected\n{rows}", "--append", "--json")
    assert len(ran.facts["left_out"]) == 30
    assert ran.facts["left_out"][29] == {
        "path": "t.csv",
        "line": 31,
        "what": "assert javascript",
        "why": "it is code, and is not run",
    }


def test_prompts_need_a_folder_with_a_prompts_name(importer: Importer) -> None:
    """A version is named `name:version`; other letters have no place in it."""
    ran = importer(PIRATE, "--prompts", "prompts/my pirate")
    assert ran.exit_code == 2
    assert "prompts/my pirate: --prompts: no prompt can have this name" in ran.err
    assert not Path("golden").exists()


def test_what_is_imported_passes_golden_check(
    importer: Importer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next step that is said is one that goes well."""
    for version in ("v12", "v13"):
        importer.text(f"prompts/support/{version}.md", "Answer.\n")
    importer(EXAMPLES / "translations" / "promptfooconfig.yaml")
    assert any(checks(task) for task in loaded())
    capsys.readouterr()
    assert main(["golden", "check"]) == 0
    assert "10 golden tasks" in capsys.readouterr().out
