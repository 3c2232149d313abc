"""The offline default: a simulation of a language model, driven through the real loop.

`instructions` reads what a prompt asks for, `question` what the customer wants,
`evidence` what the run has learnt, `policy` decides the next step, `answer` writes
the last one, `tokens` counts.
"""

from assay.models.scripted.model import ScriptedModel

__all__ = ["ScriptedModel"]
