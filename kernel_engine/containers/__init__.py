"""The life of a container, one verb a file: introduces the crafts to each other."""
