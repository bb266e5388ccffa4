"""Dockerfile → image. The language is `formats/dockerfile`; containers, images and storage do the work."""
