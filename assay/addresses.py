"""Addresses of HTTP in a user's file: absolute, and without a secret in them."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from assay.validation import refusal


def is_http_url(url: str) -> bool:
    """Whether `url` is an absolute address of HTTP."""
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _checked_address(url: str) -> str:
    # Without the address: it may hold a password.
    if not is_http_url(url):
        raise refusal("is not an address", mend="begin it with https://", of_key=True)
    if urlsplit(url).username or urlsplit(url).password:
        raise refusal(
            "holds a user or a password",
            mend="give the key in an environment variable, named by agent.api_key_env",
            of_key=True,
        )
    return url


HttpUrl = Annotated[str, AfterValidator(_checked_address)]
