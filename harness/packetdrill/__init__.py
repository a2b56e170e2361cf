"""packetdrill's scripts as they are: read, kept as data, and run on the kernel under test."""
