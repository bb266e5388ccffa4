"""A container without one of its walls, for the course: what is asked of the engine, and the words for what was seen.

The engine's door is POST /kernel-engine/without/{wall} (docs/decisions/0023).
"""
