"""The kernel at work: what a command asked of it, in order. Reads the engine's trace only; draws what it finds."""
