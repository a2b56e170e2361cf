"""Where the time of a scenario goes, from pytest's hooks to the written record: in a shared lab, and in its own."""

from __future__ import annotations

import functools
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from harness.live.base_session import BaseSession
from harness.live.lab_pool import EquippedLab
from harness.live.session import Session
from harness.plugin.recorder import ScenarioRecorder
from harness.probes.observer import Observer
from harness.trace.folder import RunFolder
from harness.trace.stopwatch import Stopwatch

WARM = 5  # the first ones load and encode what is kept
US = 1e3
REST, BODY = "pytest and its hooks", "steps of the scenario"
# what is timed, where its users find it, and under which name; what is inside another counts there alone
PHASES = (
    (EquippedLab, "__enter__", "lab"),
    (Session, "__enter__", "lab"),
    (Session, "listen", "handshake"),
    (Session, "establish", "handshake"),
    (Observer, "look", "probes"),
    (Observer, "collect", "probes"),
    (Observer, "growth", "probes"),
    (Session, "finish", "drain"),
    (ScenarioRecorder, "ended", "verdict and record"),
    (RunFolder, "write_timeline", "files"),
    (RunFolder, "append_result", "files"),
    (BaseSession, "__exit__", "let go"),
    (EquippedLab, "__exit__", "let go"),
)
NAMES = tuple(dict.fromkeys((REST, "lab", "handshake", BODY, *(name for *_, name in PHASES))))
# as kernels are run; nothing here needs them
_PYTEST = ("-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist")

# the name of a file, the number of scenarios in it, their mark, and the time that one may take
KINDS = {
    "in a shared lab": ("test_shared", 200, "@in_shared_lab", 1000),
    "in its own lab": ("test_own", 60, "", 5000),
}
_SCENARIO = """
import pytest
from harness import ACK, FIN, in_shared_lab
from harness.live.endings import shutdown_wr

{mark}
@pytest.mark.parametrize("number", range({items}))
def test_disorder(session, number):
    server, peer = session.establish(session.listen())
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send_together(peer.make(ACK, seq=2, ack=2), peer.make(FIN, seq=1, ack=1))
    peer.expect(ACK, seq=2)
"""


class Watch:
    """A plugin that notes, of each scenario, the real and the processor time of each phase, in ns."""

    def __init__(self) -> None:
        self.real: list[dict[str, int]] = []
        self.processor: list[dict[str, int]] = []
        self._clocks = Stopwatch(time.perf_counter_ns), Stopwatch(time.thread_time_ns)

    def timed(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        """The function, its time counted to a phase."""
        real, processor = self._clocks

        @functools.wraps(function)
        def timed(*args: object, **named: object) -> object:
            with real.part(name), processor.part(name):
                return function(*args, **named)

        return timed

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        """All of a scenario."""
        for clock, found in zip(self._clocks, (self.real, self.processor), strict=True):
            clock.spent = {}
            found.append(clock.spent)
        with self._clocks[0].part(REST), self._clocks[1].part(REST):
            result = yield
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_pyfunc_call(self) -> Iterator[None]:
        """What the scenario says itself."""
        with self._clocks[0].part(BODY), self._clocks[1].part(BODY):
            result = yield
        return result


def report() -> Iterator[str]:
    """Lines with the figures."""
    for kind, (file, items, mark, most) in KINDS.items():
        watch = _watched(file, items, mark)
        yield f"a scenario {kind}, {items} rounds, us: median and least of real time, of processor time"
        for name in NAMES:
            yield _line(name, *([one.get(name, 0) for one in found[WARM:]] for found in (watch.real, watch.processor)))
        whole = ([sum(one.values()) for one in found[WARM:]] for found in (watch.real, watch.processor))
        yield f"{_line('all', *whole)} (at most {most} us)"


def _line(name: str, real: list[int], processor: list[int]) -> str:
    figures = (statistics.median(real), min(real), statistics.median(processor), min(processor))
    return f"  {name:<24}" + "".join(f"{figure / US:7.0f}" for figure in figures)


def _watched(file: str, items: int, mark: str) -> Watch:
    watch, output = Watch(), io.StringIO()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as patched:
        folder = Path(scratch)
        (folder / f"{file}.py").write_text(_SCENARIO.format(mark=mark, items=items))
        (folder / "pytest.ini").touch()
        for owner, name, phase in PHASES:
            patched.enter_context(patch.object(owner, name, watch.timed(phase, getattr(owner, name))))
        patched.enter_context(redirect_stdout(output))
        options = (
            *_PYTEST,
            "-p",
            "harness.plugin.hooks",
            "--run-dir",
            str(folder / "runs"),
            "-c",
            str(folder / "pytest.ini"),
        )
        if pytest.main([*options, "--rootdir", scratch, scratch], plugins=[watch]):
            raise RuntimeError(output.getvalue()[-2000:])
    return watch
