"""promptfoo's configurations: their tests and scenarios, with the prompts that ask them."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from assay.documents import parse_yaml
from assay.errors import InputError
from assay.intake.cases import Case, case_of
from assay.intake.drafting import Drafter
from assay.intake.files import content, referred
from assay.intake.harvest import Found, Harvest, LeftOut, found_in
from assay.intake.tables import case_on, rows_in
from assay.wording import cut

Item = TypeVar("Item")

READ = {"tests", "prompts", "defaultTest", "scenarios", "assertionTemplates", "description"}
MARKS = READ - {"description"} | {"providers", "targets"}
"""Keys by which a configuration is told from other files."""
MADE = {"$values", "$expand", "$ref", "path"}
"""Keys of a test that is to be made elsewhere."""
WHY = {
    "$schema": "it is promptfoo's own",
    "providers": "agent and model are those of assay.yaml",
    "targets": "agent and model are those of assay.yaml",
    "env": "environment variables are not read",
    "commandLineOptions": "testing and execution of assay.yaml say how",
    "evaluateOptions": "testing and execution of assay.yaml say how",
    "outputPath": "results.uri of assay.yaml says where",
    "redteam": "attacks are made anew by promptfoo each time; import the tests that it writes",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """A configuration, or a list of tests, on its way to golden tasks."""

    found: Found
    folder: Path
    harvest: Harvest

    def take(self, drafter: Drafter) -> None:
        """Draft all its tests."""
        if isinstance(self.found.value, list):
            for test in self._cases(self.found):
                drafter.take(test)
            return
        self._lose_unread_keys()
        base = next(self._cases(self.found.get("defaultTest")), None)
        for test in itertools.chain(self._cases(self.found.get("tests")), self._scenarios()):
            drafter.take(test.over(base))

    def _lose_unread_keys(self) -> None:
        for key in self.found.value:
            if key not in READ:
                why = WHY.get(key, "it says nothing about a golden task")
                self.harvest.lose(self.found.at((key,)), f"key {cut(key)}", why)

    def _scenarios(self) -> Iterator[Case]:
        for scenario in self._in_place(self.found.get("scenarios"), self._in_yaml):
            data = list(self._cases(scenario.get("config")))
            tests = list(self._cases(scenario.get("tests")))
            if not data or not tests:
                self.harvest.lose(scenario.place, "scenario", "it has no config, or no tests")
            for each in data:
                yield from (test.over(each) for test in tests)

    def _cases(self, given: Found | None) -> Iterator[Case]:
        """The tests of a list, or one test; in files, too."""
        for test in self._in_place(given, self._in_file):
            if isinstance(test, Case):
                yield test
            elif not isinstance(test.value, dict):
                self.harvest.lose(test.place, "test", "it is no mapping")
            elif made := MADE & test.value.keys():
                why = f"its {cut(min(made))} is not followed"
                self.harvest.lose(test.place, "test", why)
            else:
                yield case_of(test, self.harvest, folder=self.folder)

    def _in_place(
        self, given: Found | None, in_file: Callable[[Path], Iterable[Item]]
    ) -> Iterator[Found | Item]:
        """The items of a list; what files hold stands in the place of their names."""
        for item in given.items() if given is not None else ():
            if not isinstance(item.value, str):
                yield item
                continue
            try:
                for path in referred(item.value, folder=self.folder):
                    yield from in_file(path)
            except LeftOut as left:
                self.harvest.lose(item.place, "file", left.why)
            except InputError as wrong:
                self.harvest.lose(item.place, "file", str(wrong).partition("\n")[0])

    def _in_file(self, path: Path) -> Iterable[Found | Case]:
        rows = rows_in(path)
        if rows is None:
            return self._in_yaml(path)
        return (case_on(row, self.harvest, folder=self.folder) for row in rows)

    def _in_yaml(self, path: Path) -> Iterable[Found]:
        if path.suffix.lower() not in (".yaml", ".yml", ".json"):
            raise LeftOut("file", f"{cut(path.name)} is not YAML, JSON, JSON lines or CSV")
        return found_in(parse_yaml(content(path), path=path)).items()
