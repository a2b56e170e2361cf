"""Other kernels: had from packages or built, and run as processes."""
