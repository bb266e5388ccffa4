"""`%%dockerfile`: a cell that is a Dockerfile. Writes it, builds it, and shows each step while it runs.

`recipe` understands the magic's line and writes the file, `progress` follows the engine's answer, `drawing` draws it,
`watch` joins them.
"""
