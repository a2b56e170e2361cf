"""A report as static pages: one that lists what was found, and packs of cases that it opens when they are looked at."""
