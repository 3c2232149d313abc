"""`assay nightly`: the night's work from a shell or a cron, with its page at the end."""

import argparse
import os

from assay.commands.on_prefect import check_that_flows_are_ours, reach_prefect, run_nightly
from assay.commands.screen import Screen
from assay.commands.verdicts import check_concurrency, check_json, show
from assay.config import load_config
from assay.errors import CannotEvaluate

EXIT_CODES = {"regression": 3, "unclear": 3, "no_verdict": 3}
"""1 is a rejected candidate's alone. A drift is not the prompt's doing: 0, and an alert."""


def nightly(arguments: argparse.Namespace) -> int:
    """Run the night; not 0 when somebody should look at the active prompt."""
    say = Screen(stderr=True, highlight=False)
    check_concurrency(arguments.max_concurrency)
    check_json(arguments.json)
    check_that_flows_are_ours()
    config = load_config(arguments.config, os.environ)
    reach_prefect(config.folder, say)
    state = run_nightly(config.path, say, max_concurrency=arguments.max_concurrency)
    if not state.is_completed():
        raise CannotEvaluate(f"the night ended as {state.name}: {state.message}")
    from assay.nights.page import night_page
    from assay.nights.trends import past_nights

    night = state.result()
    results = config.folder / config.results.uri
    before = past_nights(results, prompt_id=night.active.prompt.prompt_id)
    show(night_page(night, before=before), night.model_dump_json(indent=2), arguments.json)
    say.print(f"{state.name}: {state.message}", markup=False, soft_wrap=True)
    return EXIT_CODES.get(night.verdict, 0)
