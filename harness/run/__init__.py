"""The same work on many kernels: what is asked of them, and the results."""
