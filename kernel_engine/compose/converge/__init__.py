"""A project made real: what the engine has of it (`observed.py`), what is to be done (`plan.py`, pure), how each
container is asked for (`body.py`, pure), and the doing of it, as much at once as dependencies allow (`carry_out.py`).
"""
