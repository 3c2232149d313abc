"""Checks that a model decides: `llm-rubric` and `similar`, looked at after the run.

question.py    what a judge is asked, and how its answer is read; both are hostile text
purse.py       the judge's own budget
judge.py       one model, asked as often as the configuration says
ruling.py      from answers to a majority, and from rulings to a run's columns
similarity.py  how much two texts mean the same, by a small model on this machine
bench.py       all that a golden task's judged checks need, open during an evaluation
"""
