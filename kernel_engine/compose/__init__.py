"""Docker Compose: compose files become a project, and a project becomes calls of the engine.

`model.py` is what both halves share. The reading half (`loading.py`: `load(Wanted) -> Project`, and its neighbours)
knows files, syntaxes and schemas and no engine; the other half knows the engine and no files.
"""
