"""What an evaluation will cost and can show, said before any money is spent.

recorded   the runs of the baseline that earlier evaluations kept
cost       runs, tokens, spend and minutes
resampling evaluations drawn from the recorded runs: what the decision would meet
sharpness  the smallest rise that each gate can tell, at a power of 80 %
outlook    what becomes of an unchanged prompt
document   all of it together: the JSON of `assay plan`
"""
