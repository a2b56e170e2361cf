"""Captures of others: read, told in words, and turned into programs that ask a kernel to do it again."""
