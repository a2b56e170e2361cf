"""The short measurement at the start of a run."""

from __future__ import annotations

import gc
import warnings

import pytest

from harness.errors import FinwaitError
from harness.live import calibration
from harness.live.calibration import ROUNDS, calibrate
from harness.tcp.timing import MS
from harness.trace.events import Frame
from harness.wire.capture import Wire


def test_calibration_tells_what_it_rests_on() -> None:
    profile = calibrate()
    assert profile.name == "real"
    assert profile.rounds == ROUNDS
    assert profile.worst_ns > 0
    assert profile.slack_ns >= max(20 * MS, 4 * profile.worst_ns)


def test_calibrating_again_keeps_the_kernel_stamping() -> None:
    calibrate()
    (first,) = calibration._held
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibrate()
        gc.collect()
    assert calibration._held == [first]
    assert first.fileno() >= 0


def test_kernel_that_stamps_frames_when_they_are_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    genuine = Wire.receive

    def late(wire: Wire, wait_ns: int) -> Frame | None:
        frame = genuine(wire, wait_ns)
        if frame is not None:
            wire.frames[-1] = frame = Frame(time.time_ns() + 2 * MS, frame.outgoing, frame.data)
        return frame

    monkeypatch.setattr(Wire, "receive", late)
    monkeypatch.setattr(calibration, "_STAMPING_SECONDS", 0.05)
    with pytest.raises(FinwaitError, match="the kernel does not timestamp frames as they pass; SO_TIMESTAMPNS"):
        calibrate()
