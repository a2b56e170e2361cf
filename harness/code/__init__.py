"""What of a kernel's code scenarios reach, and what a patch changes of it."""
