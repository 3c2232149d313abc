"""How much of a change the prompt made, how much the traffic mix, how much the model or tools.

traffic_log   run logs of production, any format        sides   what is before, what after
cells         prompt x model and tools x period          kinds   of requests, on both sides
decomposition exact sums with intervals (pure)           paths   what can be told apart
explanation   what it was; page, document: as text and as JSON
"""
