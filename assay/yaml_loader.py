"""PyYAML up to nodes, with the scalars of YAML 1.2 and a bound on nesting.

PyYAML alone reads `on` as true, `010` as 8 and `12:30` as 750; no editor does.
"""

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

MAX_DEPTH = 50
"""Lists and mappings within each other."""
TAG = "tag:yaml.org,2002:"
"""What the tags of plain values begin with."""


class Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """Turns text into nodes that know their place and their kind."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As PyYAML does, but not without end."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?",
        list("-+.0123456789"),
    ),
):
    Loader.add_implicit_resolver(f"{TAG}{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


def reads_as(text: str) -> str:
    """What `text` without quotes is in YAML: `str`, `int`, `float`, `bool` or `null`."""
    resolver: Any = Loader("")
    tag = resolver.resolve(yaml.ScalarNode, text, (True, False))
    return str(tag).removeprefix(TAG)
