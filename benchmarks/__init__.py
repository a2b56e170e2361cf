"""What the figures of docs/speed.md come from; nothing here is a test."""
