"""The path between two kernels: forwards frames, and holds, drops or alters those that a scenario's rules are about."""
