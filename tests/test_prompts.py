"""Prompt versions: the ids that every run bears, and what a production agent imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import InputError
from assay.prompts import (
    PromptVersion,
    load_prompt,
    normalize,
    parse_ref,
    prompt_id,
    system_prompt,
)

V12 = "Answer using KB. If unsure, ask a clarifying question."
V13 = "Answer using KB. Cite tool results. If unsure, ask a clarifying question."


def write(directory: Path, ref: str, text: bytes) -> Path:
    name, version = ref.split(":")
    path = directory / name / f"{version}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def prompt(text: str) -> PromptVersion:
    return PromptVersion("support", "v1", text, "support:v1:000000000000")


@pytest.mark.parametrize(
    ("version", "text", "expected"),
    [("v12", V12, "support:v12:5fa80991330d"), ("v13", V13, "support:v13:50af3e26c3af")],
)
def test_prompt_ids_are_the_published_vectors(version: str, text: str, expected: str) -> None:
    """Other languages' clients compute the same ids from the same files."""
    assert prompt_id(name="support", version=version, text=text) == expected


@settings(deadline=None)  # other work on the machine must fail no test
@given(st.text(st.characters(exclude_characters="\r\ufeff", codec="utf-8")))
def test_editors_and_checkouts_change_no_id(text: str) -> None:
    """A checkout on Windows, or an editor that adds a mark, must not look like a new prompt."""
    saved = text + "\n"
    assert normalize(saved.encode()) == text
    assert normalize(saved.replace("\n", "\r\n").encode()) == text
    assert normalize(b"\xef\xbb\xbf" + saved.encode()) == text


def test_only_one_mark_and_one_final_newline_are_removed() -> None:
    """More would make different texts share an id."""
    assert normalize(b"a\n\n") == "a\n"
    assert normalize("\ufeff\ufeffa".encode()) == "\ufeffa"
    assert normalize(b"a\rb\r\n") == "a\rb"


def test_the_system_prompt_is_byte_for_byte_as_published() -> None:
    """The JavaScript client builds the same bytes; caches and logs are keyed on them."""
    made = system_prompt(PromptVersion("support", "v13", f"\n {V13}\t\v\f\r\n", "support:v13:x"))
    assert made == (
        "You are a production agent. You must follow tool policies and budgets.\n"
        "Always stop with a stop_reason.\n"
        "\n"
        "[prompt_id=support:v13:x]\n" + V13
    )


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\x1c", "\x85", "\ufeff"])
def test_only_ascii_white_space_is_stripped(space: str) -> None:
    """Python's strip() and JavaScript's trim() differ on these: neither may decide."""
    assert system_prompt(prompt(f" {space}Answer.{space}\n")).endswith(f"\n{space}Answer.{space}")


def test_braces_in_a_prompt_are_text() -> None:
    """Prompts show JSON to the model; nothing in them is a placeholder."""
    assert system_prompt(prompt("Answer {prompt_id} as {}.")).endswith("Answer {prompt_id} as {}.")


def test_a_ref_is_split_into_name_and_version() -> None:
    """Names and versions may hold what file names commonly hold."""
    assert parse_ref("support-desk_2:v14.1-rc") == ("support-desk_2", "v14.1-rc")


@pytest.mark.parametrize(
    "ref",
    [
        "", "support", "support:", ":v14", "support:v14:x", "support:..", "../x:v1", "a/b:v1",
        "support:.v1", "-support:v1", "support:v1\n", "support :v1", "süpport:v1",
        "support:v\u0661", "support:v1\0",
    ],
)  # fmt: skip
def test_a_ref_that_is_no_safe_path_is_refused(ref: str) -> None:
    """It becomes a path, and comes from flags and files."""
    with pytest.raises(InputError, match="is not a prompt version"):
        parse_ref(ref)


def test_a_prompt_id_in_place_of_a_version_is_told_apart() -> None:
    """Logs show prompt_ids; at night they are what gets pasted."""
    with pytest.raises(InputError) as refused:
        parse_ref("support:v13:50af3e26c3af")
    assert refused.value.mend == "write support:v13"


def test_a_prompt_is_loaded_with_its_id(tmp_path: Path) -> None:
    """The file as an editor saves it gives the published id."""
    write(tmp_path, "support:v13", V13.encode() + b"\n")
    loaded = load_prompt(tmp_path, "support:v13")
    assert loaded == PromptVersion("support", "v13", V13, "support:v13:50af3e26c3af")
    assert loaded.ref == "support:v13"


def test_a_missing_version_names_its_nearest_and_all_there_are(tmp_path: Path) -> None:
    """A typo is the usual cause, and the list is what one would look up next."""
    for version in ("v2", "v10", "v9"):
        write(tmp_path, f"support:{version}", b"x")
    write(tmp_path, "billing:v1", b"x")
    with pytest.raises(InputError) as refused:
        load_prompt(tmp_path, "support:v90")
    assert refused.value.path == tmp_path / "support" / "v90.md"
    assert refused.value.mend == (
        "did you mean support:v9? there are support:v2, support:v9, support:v10"
    )
    with pytest.raises(InputError, match=r"did you mean support:v9\?"):
        load_prompt(tmp_path, "suport:v9")


def test_many_versions_are_not_all_listed(tmp_path: Path) -> None:
    """A message is read on a terminal; the latest are what matters."""
    for number in range(1, 31):
        write(tmp_path, f"support:v{number}", b"x")
    with pytest.raises(InputError, match=r"there are 20 more and support:v21, .*, support:v30$"):
        load_prompt(tmp_path, "support:next")


def test_a_missing_folder_says_where_prompts_are_looked_for(tmp_path: Path) -> None:
    """The first call in a new workspace."""
    with pytest.raises(InputError, match=r"set prompts\.directory"):
        load_prompt(tmp_path / "prompts", "support:v1")


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    """A text that was decoded by guess would get an id that no other client computes."""
    path = write(tmp_path, "support:v1", b"Answer.\nCaf\xe9\n")
    with pytest.raises(InputError) as refused:
        load_prompt(tmp_path, "support:v1")
    assert refused.value.problem == f"{path}:2: byte 0xe9 is not UTF-8"


@pytest.mark.parametrize("raw", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_an_empty_prompt_is_refused(tmp_path: Path, raw: bytes) -> None:
    """An agent without instructions is never what was meant."""
    write(tmp_path, "support:v1", raw)
    with pytest.raises(InputError, match="the prompt is empty"):
        load_prompt(tmp_path, "support:v1")


def test_importing_it_brings_the_standard_library_alone() -> None:
    """Production agents import this module: what it needs, they all need."""
    program = (
        "import sys; before = set(sys.modules); import assay.prompts;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert set(output.split()) - sys.stdlib_module_names == {"assay"}
