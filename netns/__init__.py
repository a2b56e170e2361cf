"""Network namespaces and the lab that is built of two of them. Imports nothing of ours."""
