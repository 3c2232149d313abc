"""Where personal data stand in a text: addresses, numbers that check, phones."""

import ipaddress
import re
from collections.abc import Iterable, Iterator

import phonenumbers

from assay.incidents.secrets import Sight

EMAIL = re.compile(r"(?<![\w.+-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}(?!\w)")
CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
IP = re.compile(
    r"(?<![\w:.])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]{0,40}::?[0-9a-fA-F:.]{1,40})(?![\w:])"
)
MAX_IBAN, MIN_IBAN = 34, 15
RESERVED = re.compile(r"@(?:[\w-]+\.)*(?:example\.(?:com|net|org)|example|test|invalid)$")
"""Addresses that belong to nobody (RFC 2606)."""


def people_in(text: str, *, regions: Iterable[str]) -> Iterator[Sight]:
    """Personal data, the surest first; they may overlap.

    Args:
        text: Of anybody.
        regions: Countries whose phone numbers are looked for without their `+`, too.
    """
    for found in EMAIL.finditer(text):
        if not RESERVED.search(found.group().lower()):
            yield Sight(*found.span(), "email")
    yield from _ibans(text)
    for found in CARD.finditer(text):
        if passes_luhn(re.sub(r"\D", "", found.group())):
            yield Sight(*found.span(), "card")
    for found in IP.finditer(text):
        if _is_somebodys_address(found.group().rstrip(".")):
            yield Sight(found.start(), found.start() + len(found.group().rstrip(".")), "ip")
    yield from _phones(text, regions)


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check of the others, as on payment cards.

    >>> passes_luhn("4111111111111111"), passes_luhn("4111111111111112")
    (True, False)
    """
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    total = sum(doubled) + sum(int(digit) for digit in digits[-1::-2])
    return total % 10 == 0 and len(set(digits)) > 1


def is_iban(text: str) -> bool:
    """Whether the check digits of an account's number are right (ISO 13616).

    >>> is_iban("GB82WEST12345698765432"), is_iban("GB82WEST12345698765433")
    (True, False)
    """
    moved = text[4:] + text[:4]
    return (
        MIN_IBAN <= len(text) <= MAX_IBAN
        and int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
    )


def _ibans(text: str) -> Iterator[Sight]:
    """Each as far as its check digits are right: other words may follow without a break."""
    at = 0
    while (found := IBAN.search(text, at)) is not None:
        length = _iban_length(found.group())
        if length:
            yield Sight(found.start(), found.start() + length, "iban")
        at = found.start() + max(length, 1)


def _iban_length(found: str) -> int:
    """How many characters of what looks like one are one; 0 where none is."""
    ends = range(len(found), MIN_IBAN - 1, -1)
    numbers = ((end, found[:end].replace(" ", "").upper()) for end in ends if found[end - 1] != " ")
    return next((end for end, number in numbers if is_iban(number)), 0)


def _is_somebodys_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _phones(text: str, regions: Iterable[str]) -> Iterator[Sight]:
    """Those with a `+`; of the regions also those that are written as people write them."""
    for match in phonenumbers.PhoneNumberMatcher(text, None):
        yield Sight(match.start, match.end, "phone")
    for region in regions:
        strict = phonenumbers.Leniency.STRICT_GROUPING
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=strict):
            if not match.raw_string.isdigit() or match.raw_string.startswith("0"):
                yield Sight(match.start, match.end, "phone")
