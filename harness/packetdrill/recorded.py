"""A run of a script as whoever records scenarios asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.live.base_session import Account
from harness.packetdrill.run import ScriptRun
from harness.packetdrill.script import Script
from harness.tcp.verdict import Mismatch
from harness.trace.stopwatch import Stopwatch
from netns.enter import Namespace


class ScriptSession:
    """A script's lab, and its run in it; see ``ScriptRun`` for the arguments."""

    def __init__(self, script: Script, path: Path, lines: Sequence[str], given: Mapping[str, str]) -> None:
        self.stopwatch = Stopwatch()
        self.missing: dict[str, str] = {}
        self._run = ScriptRun(script, path, lines, given)
        self.timeline = self._run.timeline

    def open(self) -> None:
        """Build the lab.

        Raises:
            Unsupported: the kernel or the machine lacks what the script needs, or the interpreter does not take it.
            FinwaitError: an option of the script, or of whoever runs it, has a wrong value.
        """
        with self.stopwatch.part("lab"):
            self._run.__enter__()

    def run(self) -> None:
        """Run the script; see ``ScriptRun.run``."""
        with self.stopwatch.part("kernel"):
            self._run.run()

    def close(self) -> None:
        """Take the lab down, if it was built."""
        self._run.__exit__(None, None, None)

    @property
    def namespace(self) -> Namespace:
        """That of the kernel under test."""
        return self._run.lab.kernel

    def explain(self, mismatch: Mismatch) -> None:
        """The interpreter has put into a failure what it knows."""

    def account(self) -> Account:
        """What the run folder keeps of the script beside its timeline."""
        return Account(frames=self._run.lab.wire.frames, replies=[], choices=[], judged=0, mutated=False, counters={})

    def program(self, failure: BaseException | None, outcome: str) -> None:
        """A script is its own program."""
