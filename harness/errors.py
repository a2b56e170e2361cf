"""The errors of the user and of the machine, under the name by which the harness knows them.

They are defined beside the lowest layer, which imports nothing of ours.
"""

from netns.errors import FinwaitError, TooBusy, Unsupported

__all__ = ["FinwaitError", "TooBusy", "Unsupported"]
