"""The vocabulary of TCP, pure: segments, options, patterns, numbers, time, verdicts."""
