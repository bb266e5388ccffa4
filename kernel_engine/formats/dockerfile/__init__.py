"""The Dockerfile language: text → lines → instructions → settings. Pure; nothing is built here (that is `build/`).

It stands in the stairwell because three rooms read it: `build/` builds, `containers/` applies `commit --change`, and
the course shows a learner's own file back to them.
"""
