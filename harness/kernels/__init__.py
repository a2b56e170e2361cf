"""Other kernels: fetched as packages or built, and run as processes."""
