"""One module per kind of figure; every function takes tables and returns a matplotlib ``Figure``."""
