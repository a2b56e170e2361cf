"""Which kernels can be had: named, fetched from packages, built, kept in a cache."""
