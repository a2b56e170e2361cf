"""Sockets, peers and labs: what a scenario works with while it runs."""
