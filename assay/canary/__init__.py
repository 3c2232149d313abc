"""A canary: a new version answers a share of production's requests, and is watched.

start    assay.yaml names the version and its share; history says why   switching.py
look     production's run logs, read anew at every look                 traffic.py
         canary against active, with limits that hold at every look     judging.py
         what came of it: watching, alarm, budget spent, ...            looking.py
         kept in results/canary/ID/state.json                           state.py
alarm    assay.yaml names no canary any more, at once                   switching.py
"""
