"""How much of an error more repeats would shrink, and how much only more golden tasks would.

Golden tasks respond to a prompt differently: one gets dearer, another cheaper. This
interaction is in the error of everything that is paired by task, and no number of repeats
takes it out.
"""

from scipy.special import fdtrc

from assay.stats.samples import Sample

LEVEL = 0.05
"""An interaction counts once an F test at this level says that it is there."""


def repeat_share(baseline: Sample, candidate: Sample, *, whole: float, within: float) -> float:
    """Share of a squared error that more repeats would shrink, in [0, 1].

    Args:
        baseline: For its numbers of runs and golden tasks.
        candidate: The same.
        whole: Squared standard error over golden tasks, >= 0.
        within: The part of it that the spread of repeats explains, >= 0.

    Source:
        Two-way analysis of variance: the mean squares of the interaction and of the repeats
        have the F distribution where there is no interaction.
    """
    freedom = int((baseline.repeats - 1).sum() + (candidate.repeats - 1).sum())
    if freedom == 0 or whole <= within:
        return 1.0
    if within == 0.0:
        return 0.0
    by_chance = float(fdtrc(baseline.n_tasks - 1, freedom, whole / within))
    return 1.0 if by_chance > LEVEL else within / whole
