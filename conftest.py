"""Hands pytest to the harness."""

pytest_plugins = [
    "harness.plugin.hooks",
    "harness.plugin.fixtures",
    "harness.plugin.state_fixtures",
    "harness.plugin.cells",
]
