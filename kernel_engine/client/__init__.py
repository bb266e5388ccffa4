"""A light client of the engine's socket. Imports no other room."""
