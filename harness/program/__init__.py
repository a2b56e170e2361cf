"""A scenario as data: typed steps, what records them, what runs them, and what prints them."""
