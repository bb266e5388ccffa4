"""Pure parts of the doors."""
