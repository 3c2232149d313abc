"""What is masked: every kind of secret and personal data, and not what only looks like it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import InputError
from assay.golden_section import GoldenSection, Mask
from assay.incidents import masking
from assay.incidents.masking import Masker, preview


def masked(text: str, *masks: tuple[str, str], regions: tuple[str, ...] = ("GB", "US")) -> str:
    rules = [Mask(pattern=pattern, replacement=new) for pattern, new in masks]
    return Masker(GoldenSection(masks=tuple(rules), phone_regions=regions)).text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.o'neil+shop@mail.acme.co.uk!", "write to person-1@example.com!"),
        ("jürgen@müller.de,ana@acme.io", "person-1@example.com,person-2@example.com"),
        ("a@acme.io and A@ACME.IO, b@acme.io",
         "person-1@example.com and person-1@example.com, person-2@example.com"),
        ("person-1@example.com met a@acme.io", "person-1@example.com met person-2@example.com"),
        ("call +49 (30) 901820 or 020 7946 0958.", "call <phone-1> or <phone-2>."),
        ("(415) 555-2671, +1 415 555 2671", "<phone-1>, <phone-2>"),
        ("to GB82 WEST 1234 5698 7654 32 please", "to <iban-1> please"),
        ("DE89370400440532013000 or de89 3704 0044 0532 0130 00", "<iban-1> or <iban-1>"),
        ("card 4111 1111 1111 1111 or 4111-1111-1111-1111", "card <card-1> or <card-1>"),
        ("from 203.0.113.7, 10.0.0.1 and 2001:db8::7.", "from <ip-1>, <ip-2> and <ip-3>."),
        ("AKIAIOSFODNN7EXAMPLE", "<api-key-1>"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "<api-key-1>"),
        ("sk-ant-api03-abcDEF123456789ghiJKL-AA, then", "<api-key-1>, then"),
        ("xoxb-123456789012-abcdefghijklmnop", "<api-key-1>"),
        ("use eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVm", "use <jwt-1>"),
        ("Authorization: Bearer abc.DEF-123_456~x", "Authorization: Bearer <token-1>"),
        ("https://bob:hunter2@shop.acme.io/x", "https://<password-1>@shop.acme.io/x"),
        ("my password is hunter2, really", "my password is <password-1>, really"),
        ('{"api_key": "abcdef-123"}', '{"api_key": "<token-1>"}'),
        ("secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY", "secret <secret-1>"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nbye",
         "<private-key-1>\nbye"),
    ],
)  # fmt: skip
def test_what_could_hurt_somebody_is_masked(text: str, expected: str) -> None:
    """A golden file is committed, shared and sent to models for years."""
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "My Crispin air fryer shows error code E4; order NL-104233, tracking 1Z999AA10123456784.",
        "On 2026-11-25 at 13:30:15 I paid £1,234.50 for 2 x 60 W, 4111 1111 1111 1112.",
        "Version 3.12.1 at ::1 or 127.0.0.1, ratio 16:9, chapter::section, 20481234",
        "antidisestablishmentarianism-and-counterrevolutionaries/of/everything",
        "supercalifragilisticexpialidocious2",
        "reply to shop@example.com",
        "Is a basic subscription enough? The bearer is late. My password is wrong.",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    """A task without its order number asks something else."""
    assert masked(text) == text


def test_ones_own_rules_come_first() -> None:
    """Names need a list, which only the team has."""
    rules = [(r"\bJane (Doe|Roe)\b", "<customer>"), (r"jane@acme\.co", "<her address>")]
    said = masked("Jane Doe, jane@acme.co, ana@acme.co", *rules)
    assert said == "<customer>, <her address>, person-1@example.com"


def test_a_pattern_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is a stranger's."""
    monkeypatch.setattr(masking, "SECONDS", 0.1)
    with pytest.raises(InputError, match="takes more than"):
        masked("a" * 200 + "!", (r"(a|aa)+$", "x"))


def test_messages_of_one_task_have_the_same_placeholders() -> None:
    """Else the agent would take one customer for two."""
    masker = Masker(GoldenSection())
    messages = [
        {"role": "user", "content": "I am a@acme.io"},
        {"role": "user", "content": "Write to b@acme.io, not to A@acme.io"},
    ]
    assert [each["content"] for each in masker.value(messages)] == [
        "I am person-1@example.com",
        "Write to person-2@example.com, not to person-1@example.com",
    ]


def test_the_preview_shows_no_secret_and_no_control_character() -> None:
    """A terminal may be shared, recorded, or told to do something by what it prints."""
    masker = Masker(GoldenSection())
    masker.text("password: hunter2hunter2\u009b and \u202ea@acme.io")
    shown = "\n".join(preview(masker.done.values()))
    assert "hunter2h" not in shown
    assert all(line.isprintable() for line in shown.splitlines())


PIECES = ["a@acme.io", "4111 1111 1111 1111", "+49 30 901820", "GB82WEST12345698765432",
          "Bearer abcdefgh1234", "10.1.2.3", "sk-abcdefghijklmnop12"]  # fmt: skip


@settings(max_examples=50)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=8))
def test_masking_twice_changes_nothing_more(pieces: list[str]) -> None:
    """Placeholders are no secrets, and nothing that was found is left behind."""
    once = masked(" ; ".join(pieces))
    assert not re.search(r"a@acme\.io|4111 1111 1111 1111|GB82WEST12345698765432", once)
    assert masked(once) == once
