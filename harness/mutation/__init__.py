"""Shows that scenarios can fail: runs each again with one of the kernel's answers mutated."""
