"""A run as CI systems take it: read from its folder, written as KTAP, KCIDB, GitLab's JSON and GitHub's Markdown."""
