"""Which kernels there are: named, fetched from packages, built, kept in a cache."""
