"""Kernels that run: the host itself, User Mode Linux, emulated machines."""
