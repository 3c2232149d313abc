"""Nightly runs of what is active: has it got worse, or has the world outside moved?

document   what a night found: the JSON that is kept
reference  the kept runs that tonight's are held against
movement   how far each metric moved, for `active`, for `rollback`, and the one against the other
judging    a night's runs -> its verdict and its reason
spikes     tokens that jumped since the night before, cached or not
trends     figures from night to night
pending    candidates that wait for their verdict
"""
