"""Rewriting two strings of a YAML file: exactly their characters, whatever surrounds them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import InputError
from assay.yaml_scalars import find_scalars, rewrite_scalars

PATH = Path("assay.yaml")
KEYS = ("active", "rollback")

refs = st.from_regex(r"[a-z_][A-Za-z0-9._-]{0,8}:[A-Za-z0-9_][A-Za-z0-9._-]{0,8}", fullmatch=True)

# How a value may be written; each gives what a rewrite must leave in its place.
QUOTES: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "plain": (str, str),
    "single": (lambda ref: f"'{ref}'", lambda ref: f"'{ref}'"),
    "double": (lambda ref: f'"{ref}"', lambda ref: f'"{ref}"'),
    "escaped": (
        lambda ref: '"' + "".join(f"\\x{ord(letter):02x}" for letter in ref) + '"',
        lambda ref: f'"{ref}"',
    ),
}

BEFORE = [
    "# réglages de l'équipe 🚀\n",
    "observability: {note: 'é😀 active: rollback:'}\n",
    "gates:\n  p95_tokens: 0.5   # at most\n  active: not this one\n",
    "other:\n- {prompts: {active: nor this, rollback: nor that}}\n- !ours &anchor [é]\n- *anchor\n",
    "text: |\n  prompts:\n    active: nor here 🎉\n\n",
    'odd: "a\u2028b"\n',
]
AFTER = ["", "budgets:\n  max_steps: 50\n", "# the end, señor 🙂\n", "x: 'prompts: {active: a}'\n"]
BLOCK = "prompts:{gap}\n{extra}  {k1}: {v1}  # è 🙂\n\n  {k2}:   {v2}\n{more}"
FLOW = "prompts: {{{k1}: {v1}, note: 'é, 😀',{gap} \"{k2}\": {v2}}} # {k1}\n"


@dataclass(frozen=True)
class Sample:
    """A file with a hole for each value, so that what it must become is known beforehand."""

    template: str
    write: dict[str, Callable[[str], str]]
    rewrite: dict[str, Callable[[str], str]]
    bom: bytes
    newline: str
    ends_with_newline: bool

    def render(self, values: dict[str, str], how: dict[str, Callable[[str], str]]) -> bytes:
        text = self.template
        for key, value in values.items():
            text = text.replace(f"<{key}>", how[key](value))
        if not self.ends_with_newline:
            text = text.removesuffix("\n")
        return self.bom + text.replace("\n", self.newline).encode()


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    keys = draw(st.permutations(KEYS))
    quotes = {key: draw(st.sampled_from(sorted(QUOTES))) for key in KEYS}
    block = draw(st.sampled_from([BLOCK, FLOW])).format(
        k1=keys[0],
        v1=f"<{keys[0]}>",
        k2=keys[1],
        v2=f"<{keys[1]}>",
        gap=draw(st.sampled_from(["", "   "])),
        extra=draw(st.sampled_from(["", "  require_prompt_id: true # ü\n"])),
        more=draw(st.sampled_from(["", "  candidates: [a:v1, 'b:v2']\n"])),
    )
    before = "".join(draw(st.lists(st.sampled_from(BEFORE), unique=True)))
    return Sample(
        template=before + block + draw(st.sampled_from(AFTER)),
        write={key: QUOTES[quotes[key]][0] for key in KEYS},
        rewrite={key: QUOTES[quotes[key]][1] for key in KEYS},
        bom=draw(st.sampled_from([b"", b"\xef\xbb\xbf"])),
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        ends_with_newline=draw(st.booleans()),
    )


def rewritten(raw: bytes, values: dict[str, str]) -> bytes:
    found = find_scalars(raw, section="prompts", keys=KEYS, path=PATH)
    new_values = {found[key]: value for key, value in values.items()}
    return rewrite_scalars(raw, new_values, path=PATH)


def data(raw: bytes) -> object:
    """What a program sees, unknown tags passed over."""

    class Lenient(yaml.SafeLoader):
        pass

    Lenient.add_constructor("!ours", lambda loader, node: loader.construct_sequence(node))
    return yaml.load(raw, Loader=Lenient)


@settings(deadline=None)  # other work on the machine must fail no test
@given(samples(), refs, refs, refs, refs)
def test_only_the_two_values_change(sample: Sample, a: str, b: str, c: str, d: str) -> None:
    """The diff that a reviewer sees is the switch and nothing else."""
    old, new = {"active": a, "rollback": b}, {"active": c, "rollback": d}
    raw = sample.render(old, sample.write)
    assert rewritten(raw, new) == sample.render(new, sample.rewrite)


@settings(deadline=None)  # other work on the machine must fail no test
@given(samples(), refs, refs, refs)
def test_what_a_program_reads_differs_in_these_values_only(
    sample: Sample, a: str, b: str, c: str
) -> None:
    """The same, judged by another reader of the file than the rewriting itself."""
    raw = sample.render({"active": a, "rollback": b}, sample.write)
    expected = data(raw)
    assert isinstance(expected, dict)
    assert {key: expected["prompts"][key] for key in KEYS} == {"active": a, "rollback": b}
    expected["prompts"] |= {"active": c, "rollback": a}
    assert data(rewritten(raw, {"active": c, "rollback": a})) == expected


@settings(deadline=None)  # other work on the machine must fail no test
@given(samples(), refs, refs)
def test_a_value_is_found_with_its_line(sample: Sample, a: str, b: str) -> None:
    """Messages name the line that an editor shows."""
    raw = sample.render({"active": a, "rollback": b}, sample.write)
    found = find_scalars(raw, section="prompts", keys=KEYS, path=PATH)
    assert {key: scalar.value for key, scalar in found.items()} == {"active": a, "rollback": b}
    for key, scalar in found.items():
        line = raw.split(b"\n")[scalar.line - 1]
        assert raw[scalar.start : scalar.end] in line
        assert key.encode() in line


def test_a_value_that_would_read_as_a_number_is_quoted() -> None:
    """Bare, `1:30` is ninety to YAML."""
    after = rewritten(b"prompts:\n  active: a:v1\n  rollback: a:v0\n", {"active": "1:30"})
    assert after == b'prompts:\n  active: "1:30"\n  rollback: a:v0\n'


def test_a_value_over_two_lines_is_replaced_whole() -> None:
    """Rare, but half of it left behind would be another value."""
    after = rewritten(b'prompts: {active: "a:\n  v1", rollback: b:v1\n  }', {"active": "a:v2"})
    assert after == b'prompts: {active: "a:v2", rollback: b:v1\n  }'


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a:v1", "a # b"),
        ("a:v1", "a: b"),
        ("'a:v1'", "a'b"),
        ('"a:v1"', 'a"b'),
        ('"a:v1"', "a\\x41"),
    ],
)
def test_a_value_that_would_not_read_back_is_refused(written: str, value: str) -> None:
    """Whatever is written is read once more before it may replace anything."""
    with pytest.raises(InputError, match=r"cannot be rewritten safely|not valid YAML"):
        rewritten(f"prompts:\n  active: {written}\n".encode(), {"active": value})


def test_a_missing_key_is_left_out() -> None:
    """Whether it may be missing is the caller's to say."""
    assert list(find_scalars(b"prompts: {active: a}", section="prompts", keys=KEYS, path=PATH)) == [
        "active"
    ]


REFUSED = [
    # The same key twice: which one counts depends on the reader.
    ("prompts:\n  active: a:v1\n  rollback: a:v0\n  active: a:v2\n", 4, "given already on line 2"),
    ("prompts: {active: a}\ngates: {}\n'prompts': {}\n", 3, "given already on line 1"),
    # Values that stand for several, or come from elsewhere.
    ("x: &x a:v1\nprompts:\n  active: *x\n", 3, r"`active` is an alias \(\*x\)"),
    ("prompts:\n  active: &x a:v1\n  rollback: *x\n", 2, "bears an anchor or a tag"),
    ("prompts:\n  active: !!str a:v1\n", 2, "bears an anchor or a tag"),
    ("prompts:\n  rollback: ! 'a:v1'\n", 2, "bears an anchor or a tag"),
    ("x: &x {active: a:v1}\nprompts:\n  rollback: a\n  <<: *x\n", 4, "takes keys from elsewhere"),
    ("x: &x {active: a:v1}\nprompts: *x\n", 2, "`prompts` must be a mapping, written out"),
    ("prompts: &x {active: a:v1}\ny: *x\n", 1, "`prompts` must be a mapping, written out"),
    ("prompts: !!map {active: a:v1}\n", 1, "`prompts` must be a mapping, written out"),
    # Values that are no one-line strings.
    ("prompts:\n  active: |\n    a:v1\n", 2, "is a block scalar"),
    ("prompts:\n  active: >-\n    a:v1\n", 2, "is a block scalar"),
    ("prompts:\n  active: 13\n", 2, "must be a string, not 13"),
    ("prompts:\n  active: 1:30\n", 2, "must be a string, not 1:30"),
    ("prompts:\n  active:\n  rollback: a\n", 2, "must be a string, not empty"),
    ("prompts:\n  active: null\n", 2, "must be a string, not null"),
    ("prompts:\n  active: [a:v1]\n", 2, "`active` must be a string"),
    ("prompts:\n  active: {a: v1}\n", 2, "`active` must be a string"),
    # Files that are no config.
    ("", None, "the file is empty"),
    ("# nothing\n", None, "the file is empty"),
    ("- prompts\n", 1, "not a mapping of sections"),
    ("gates: {}\n", 1, "there is no section `prompts`"),
    ("prompts: [a]\n", 1, "must be a mapping"),
    ("prompts: {active: a}\n---\nprompts: {active: b}\n", 2, "a second YAML document"),
    # Files that are no YAML: the line is the editor's, whatever YAML calls a line.
    ("a: é😀\r\nprompts:\r\n\tactive: a\r\n", 3, "not valid YAML"),
    ('a: "\u2028"\nprompts: [\n', 3, "not valid YAML"),
    ("a: é\nprompts: '\x07'\n", 2, r"character U\+0007 is not allowed"),
]  # fmt: skip


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize(("text", "line", "problem"), REFUSED)
def test_what_cannot_be_rewritten_for_certain_is_refused_with_its_line(
    text: str, line: int | None, problem: str, bom: str
) -> None:
    """A switch that guesses could change what two keys mean, or lose a comment."""
    with pytest.raises(InputError, match=problem) as refused:
        find_scalars((bom + text).encode(), section="prompts", keys=KEYS, path=PATH)
    assert refused.value.line == line


def test_bytes_that_are_not_utf8_are_named_with_their_line() -> None:
    """An editor that saves Latin-1 is found by the line it broke."""
    with pytest.raises(InputError, match=r"^assay\.yaml:2: this line is not UTF-8"):
        find_scalars(b"a: b\nc: \xe9\n", section="prompts", keys=KEYS, path=PATH)


def test_keys_elsewhere_may_be_as_broken_as_they_like() -> None:
    """A rollback must work while the rest of the file means nonsense."""
    raw = b"gates: {x: 1, x: 2}\nprompts: {active: a:v1, typo: 3, typo: 4}\nz: !!int abc\n"
    assert find_scalars(raw, section="prompts", keys=KEYS, path=PATH)["active"].value == "a:v1"
