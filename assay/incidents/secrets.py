"""Where secrets stand in a text: by the shapes that issuers give them, and by their disorder."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple


class Sight(NamedTuple):
    """Something to be masked, and where it stands."""

    start: int
    end: int
    kind: str


_PREFIXED = "|".join(
    (
        r"sk-[\w-]{16,}",  # OpenAI, Anthropic and those who follow them
        r"[sr]k_(?:live|test)_\w{16,}|whsec_[\w+/=]{16,}",  # Stripe
        r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}",  # AWS
        r"gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}",  # GitHub, GitLab
        r"xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}",  # Slack
        r"AIza[\w-]{30,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,}",  # Google
        r"SG\.[\w-]{16,}\.[\w-]{16,}|key-[0-9a-f]{32}",  # SendGrid, Mailgun
        r"(?:AC|SK)[0-9a-f]{32}",  # Twilio
        r"npm_\w{30,}|pypi-[\w-]{30,}|dop_v1_\w{30,}|hf_\w{20,}|gsk_\w{20,}|shp(?:at|ca|pa|ss)_\w{20,}",
        r"once_(?:live|test)_\w{8,}",  # OnceOnly
        r"\d{8,10}:[\w-]{35}",  # Telegram
    )
)
_NAMES_ONE = r"\b(?:pass(?:word|phrase|wd)|pwd|secret)"
_SHAPES = (
    (
        "private-key",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
        r"[\s\S]{0,5000}?(?:-----END [A-Z ]{0,30}-----|\Z)",
    ),
    ("jwt", r"\beyJ[\w-]{8,4000}\.[\w-]{8,4000}(?:\.[\w-]{0,4000})?"),
    ("password", r"\b[a-z][a-z0-9+.-]{0,20}://(?P<secret>[^\s/@:]{0,200}:[^\s/@]{1,200})@"),
    (
        "token",
        r"(?i:\b(?:bearer|basic)[ \t]+)(?P<secret>(?=\S{20}|\S{0,20}\d)[\w.~+/=-]{8,})",
    ),
    (
        "token",
        r"(?i:\b(?:x-)?(?:api|auth|access)[ _-]?(?:key|token)[\"']?\s*[:=]\s*[\"']?)"
        r"(?P<secret>[^\s\"',;]{6,})",
    ),
    ("password", rf"(?i:{_NAMES_ONE}[\"']?\s*[:=]\s*[\"']?)(?P<secret>[^\s\"',;]{{4,}})"),
    # "my password is wrong" says none: what follows has to look like one.
    (
        "password",
        rf"(?i:{_NAMES_ONE}\s+is:?\s+[\"']?)"
        r"(?P<secret>(?=\S{0,40}[\d!@#$%^&*])[^\s\"',;]{4,})",
    ),
    ("api-key", rf"(?<![\w-])(?:{_PREFIXED})(?![\w])"),
)  # fmt: skip
SHAPES = tuple((kind, re.compile(pattern)) for kind, pattern in _SHAPES)
"""Kind -> what it looks like; of a group `secret` only that is masked. The surest come first."""

SECRETS = {"secret", *(kind for kind, _ in _SHAPES)}
"""Kinds of which nobody is shown the whole."""
TOKEN = re.compile(r"(?<![\w+/=-])[\w+/=-]{20,500}(?![\w+/=-])")
MIN_BITS = 3.5
"""Of disorder in each character; English has less than that within a word."""
MIN_CHANGES = 4
"""Between small letters, capitals and digits that stand side by side: words have one or two."""


def secrets_in(text: str) -> Iterator[Sight]:
    """Secrets, those of a known shape first; they may overlap."""
    for kind, shape in SHAPES:
        for found in shape.finditer(text):
            yield Sight(*found.span("secret" if "secret" in shape.groupindex else 0), kind)
    for found in TOKEN.finditer(text):
        if looks_random(found.group()):
            yield Sight(*found.span(), "secret")


def looks_random(token: str) -> bool:
    """Whether a long word without spaces is more likely a key than a word.

    >>> looks_random("antidisestablishmentarianism-and-more")
    False
    >>> looks_random("wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY")
    True
    """
    kinds = [_kind(character) for character in token]
    changes = sum(None not in pair and pair[0] != pair[1] for pair in pairwise(kinds))
    return changes >= MIN_CHANGES and _bits(token) >= MIN_BITS


def _kind(character: str) -> str | None:
    """Of a letter or a digit."""
    if not character.isalnum():
        return None
    return "digit" if character.isdigit() else "capital" if character.isupper() else "small"


def _bits(token: str) -> float:
    """Shannon's entropy of its characters."""
    shares = [count / len(token) for count in Counter(token).values()]
    return -sum(share * math.log2(share) for share in shares)
