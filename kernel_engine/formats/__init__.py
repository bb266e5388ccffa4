"""Pure words and shapes that every room may use: references, filters, sizes, times."""
