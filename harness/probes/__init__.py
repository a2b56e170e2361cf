"""What the kernel knows of its sockets: explains a verdict, never makes one."""
