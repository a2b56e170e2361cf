"""What happened in a scenario, and the files that a run keeps of it."""
