"""Which requests a canary answers: a stable share of the keys, the same in every language.

    place = the first 48 bits of sha256(canary's ref + ":" + key, in UTF-8) / 2^48
    a request is the canary's where place < share

The same key always has the same place, so a growing share only adds keys; another canary has
other places, so that no user is always the first to try. 48 bits are a number that Python and
JavaScript hold exactly.
"""

import hashlib

_BYTES = 6
_WHOLE = 2.0 ** (8 * _BYTES)


def place(ref: str, key: str) -> float:
    """Where a key stands in a canary, in [0, 1).

    Args:
        ref: The canary, such as `support:v14`.
        key: Of the user, the conversation or the request; lone surrogates count as U+FFFD.

    >>> round(place("support:v14", "user-1"), 4)
    0.2397
    """
    return place_in(hashlib.sha256(f"{ref}:".encode()), key)


def place_in(salted: "hashlib._Hash", key: str) -> float:
    """The same with the hash of the ref and its colon at hand."""
    digest = salted.copy()
    digest.update(well_formed(key).encode())
    return int.from_bytes(digest.digest()[:_BYTES], "big") / _WHOLE


def well_formed(text: str) -> str:
    """The text with each half of a character as U+FFFD, as JavaScript encodes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
