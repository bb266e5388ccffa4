"""Docker's JSON ↔ the engine's values. Pure: nothing here asks the engine or the kernel."""
