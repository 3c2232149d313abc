"""Programs, addresses and headers, as a configuration names them."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from assay.after_switch import split_command
from assay.validation import Several, Text, refusal

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _split(command: object) -> object:
    if not isinstance(command, str):
        return command
    try:
        return split_command(command)
    except ValueError as unclosed:
        raise refusal(
            f"is no command: {unclosed}",
            mend="close it, or write a list of words",
            of_key=True,
        ) from None


Command = Annotated[
    Several[Text],
    Field(min_length=1),
    BeforeValidator(_split, json_schema_input_type=str | list[str]),
]
"""A program and its arguments: a list, or one string that is split as a shell splits it."""


def _checked_address(url: str) -> str:
    # Without the address: it may hold a password.
    if not _is_http_url(url):
        raise refusal("is not an address", mend="begin it with https://", of_key=True)
    return url


def _without_user(url: str) -> str:
    if urlsplit(url).username or urlsplit(url).password:
        raise refusal(
            "holds a user or a password",
            mend="put it into an environment variable, and name that in the keys that end in _env",
            of_key=True,
        )
    return url


def _checked_header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise refusal("is not the name of a header", mend="write one such as X-Api-Key")
    return name


Address = Annotated[str, AfterValidator(_checked_address)]
"""An absolute address of HTTP."""
HttpUrl = Annotated[Address, AfterValidator(_without_user)]
HeaderName = Annotated[str, AfterValidator(_checked_header)]


def _is_http_url(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        return False
