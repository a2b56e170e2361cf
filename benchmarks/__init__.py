"""What the figures of speed in the README come from; nothing here is a test."""
