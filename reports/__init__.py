"""Reports: read run folders, and nothing else, to make something a person or another tool reads."""
