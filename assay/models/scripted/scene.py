"""Everything that one step is decided from: the conversation, the prompt, the tools, the run."""

from collections.abc import Mapping
from dataclasses import dataclass

from assay.models.scripted.chance import Chance
from assay.models.scripted.evidence import Evidence
from assay.models.scripted.findings import Findings
from assay.models.scripted.instructions import Instructions
from assay.models.scripted.offered import Role, Tool
from assay.models.scripted.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a run stands before its next step."""

    evidence: Evidence
    question: Question
    findings: Findings
    instructions: Instructions
    tools: Mapping[Role, Tool]
    chance: Chance
