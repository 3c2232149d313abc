"""What tools are called on the wire: providers take `[A-Za-z0-9_-]{1,64}`, people like dots.

A name hangs on the names offered with it and on nothing else, so that it is the same in every
version of the tools that offers the same ones, in whatever order.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from itertools import count

MAX_CHARS = 64
_WIRE = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_CHARS}}}")


def wire_names(names: Iterable[str], *, taken: Iterable[str] = ()) -> dict[str, str]:
    """A name that every provider takes, different for each of `names`.

    A name that can stay as it is does; dots and their like become underscores; where that
    would make two into one, or the name is too long, a few digits of its hash tell it apart.

    Args:
        names: What their authors call them.
        taken: Wire names that are in use already.

    >>> wire_names(["kb.search", "send_email"])
    {'send_email': 'send_email', 'kb.search': 'kb_search'}
    """
    every, used = sorted(set(names)), set(taken)
    wires = {name: name for name in every if _WIRE.fullmatch(name) and name not in used}
    used.update(wires)
    plain = {name: re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in every}
    shared = Counter(plain.values())
    for name in every:
        wire = plain[name]
        if name not in wires and shared[wire] == 1 and _WIRE.fullmatch(wire) and wire not in used:
            wires[name] = wire
    used.update(wires.values())
    for name in every:
        if name not in wires:
            wires[name] = _told_apart(name, plain[name], used)
            used.add(wires[name])
    return wires


def _told_apart(name: str, plain: str, used: set[str]) -> str:
    for salt in count():
        digits = hashlib.sha256(f"{name}\0{salt}".encode(errors="surrogatepass")).hexdigest()[:8]
        wire = f"{plain[: MAX_CHARS - 9]}_{digits}"
        if wire not in used:
            return wire
    raise AssertionError("there are more numbers than names")
