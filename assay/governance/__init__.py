"""A service that governs an agent from outside, told of a canary: before, at a look, at an alarm.

It is asked after everything that matters is done, for a few seconds at most, and whatever it
answers is at worst a warning: no rollback and no evaluation waits for it or fails with it.
"""
