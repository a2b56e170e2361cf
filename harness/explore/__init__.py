"""Programs that nobody wrote, run on several kernels, and what these do differently in its shortest form."""
