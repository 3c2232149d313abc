"""What production's runs use by hour and prompt, against limits and against their own week.

The logs are the truth. `results/monitors/book.sqlite3` is a digest of them, so that a look reads
only what is new; without it, the next look makes another. `state.json` beside it holds what can
not be made again: which breaches somebody was told of.
"""
