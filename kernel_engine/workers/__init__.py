"""Worker processes for work on files: forks of one preloaded process, so that a job starts in about a millisecond.

Knows no job: a room names its own by `module:function`. A job gets an order (JSON), open descriptors, and a way to say
things while it works; it ends with a result or an error. `pool` is the daemon's side, `__main__` the other one.
"""
