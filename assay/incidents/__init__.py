"""From a run of production that went wrong to a golden task that guards against it.

find     the run, in production's logs, a line of a log or an evaluation      recorded.py
bound    what the good version uses on runs like it                           similar.py, bounds.py
mask     secrets and personal data, found by rule                             secrets.py, people.py
         and replaced, the same thing by the same word                        masking.py
draft    a golden task of all that                                            drafting.py
try      it fails on the bad version and passes on the good one               trial.py
"""
