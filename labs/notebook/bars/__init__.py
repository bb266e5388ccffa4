"""Live bars beneath a cell while its commands pull, push, build or start services; gone when the cell has ended."""
