"""Hands pytest to the harness."""

pytest_plugins = ["harness.pytest_plugin", "harness.fixtures", "harness.state_fixtures", "harness.cells"]
