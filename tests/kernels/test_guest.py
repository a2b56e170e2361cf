"""What an ended guest amounts to: a status, or why there is none. Pure, but for the files in between."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.kernels.boot import guest
from harness.kernels.boot.backend import Job
from harness.kernels.boot.guest import GuestReply, judge
from harness.process import Ended

HERE = Path(tempfile.gettempdir())
JOB = Job((sys.executable,), HERE, HERE, real_limit=20)
BOOTED = GuestReply(booted=True)


@pytest.mark.parametrize("status", [0, 3, 137])
def test_status_comes_from_the_answer_and_not_from_the_process(status: int) -> None:
    run = judge("k", JOB, Ended(0, ("a", "b"), 1.5), GuestReply(status, booted=True))
    assert (run.status, run.lost, run.console, run.seconds) == (status, None, ("a", "b"), 1.5)


@pytest.mark.parametrize(
    ("ended", "answer", "said"),
    [
        (
            Ended(134, ("x Kernel panic - not syncing: Out of memory",), 1),
            BOOTED,
            "kernel panic: Out of memory",
        ),
        (Ended(None, ("Kernel panic - not syncing: stuck",), 20), BOOTED, "kernel panic: stuck"),
        (
            Ended(None, ("last words",), 20),
            BOOTED,
            "hung: not done after 20 s of real time; last line: last words",
        ),
        (Ended(None, (), 20), GuestReply(), "never booted: not done after 20 s of real time; it said nothing"),
        (Ended(137, ("x",), 1), BOOTED, "the kernel's process was killed by signal 9; last line: x"),
        (
            Ended(1, ("no such option",), 1),
            GuestReply(),
            "never booted: the kernel's process ended with status 1",
        ),
        (Ended(0, (), 1), BOOTED, "the kernel ended without the command's status"),
        (
            Ended(0, (), 1),
            GuestReply(failed="mount /x: gone"),
            "the guest could not be set up: mount /x: gone",
        ),
    ],
)
def test_no_answer_is_lost_and_says_why(ended: Ended, answer: GuestReply, said: str) -> None:
    run = judge("k", JOB, ended, answer)
    assert run.status is None
    assert run.lost is not None
    assert run.lost.startswith(said)


def test_panic_after_the_answer_is_lost_all_the_same() -> None:
    run = judge("k", JOB, Ended(134, ("Kernel panic - not syncing: late",), 1), GuestReply(0, booted=True))
    assert (run.status, run.lost) == (None, "kernel panic: late")


def test_command_that_only_speaks_of_a_panic_is_not_lost() -> None:
    run = judge("k", JOB, Ended(0, ("Kernel panic - not syncing: says a log",), 1), GuestReply(1, booted=True))
    assert (run.status, run.lost) == (1, None)


def test_what_a_kernel_lacks_is_named() -> None:
    with pytest.raises(Unsupported, match="uml:9 has no IPv6 and no veth") as caught:
        judge("uml:9", JOB, Ended(0, (), 1), GuestReply(missing=("IPv6", "veth"), booted=True))
    assert "\n" not in str(caught.value)


def test_order_holds_the_job() -> None:
    job = replace(JOB, argv=("/bin/sh", "-c", "é \" '"), env={"A": "b c", "HOME": "/else"}, virtual_limit=7.0)
    order = guest.make_order(job, home="/home", last=True)
    assert (order["argv"], order["virtual_limit"], order["last"]) == (job.argv, 7.0, True)
    assert order["env"]["A"] == "b c"  # type: ignore[index]
    assert order["env"]["HOME"] == "/else"  # type: ignore[index]


def test_each_boot_has_a_new_seed_unless_one_is_given() -> None:
    boots = [json.loads(guest.make_boot(JOB, ("/m/veth.ko",), seed=seed)) for seed in ("", "", "00", "00")]
    assert boots[0]["modules"] == ["/m/veth.ko"]
    assert len({boot["seed"] for boot in boots}) == 3


def test_control_folder_goes_even_when_the_run_raises(tmp_path: Path) -> None:
    def interrupted() -> None:
        with guest.control_folder(replace(JOB, output=tmp_path)) as control:
            (control / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"argv": ()}, "must start with an absolute path"),
        ({"argv": ("python3",)}, "must start with an absolute path"),
        ({"argv": ("/nowhere",)}, "cannot run /nowhere"),
        ({"argv": ("/etc/passwd",)}, "cannot run /etc/passwd"),
        ({"argv": ("/etc",)}, "cannot run /etc"),
        ({"cwd": Path("here")}, "cwd must be an existing folder"),
        ({"cwd": Path("/no where")}, "cwd must be an existing folder"),
        ({"output": Path("/nowhere")}, "output must be an existing folder"),
        ({"real_limit": 0.0}, "must be above 0 s"),
    ],
)
def test_a_job_that_cannot_be_run(change: dict[str, object], said: str) -> None:
    with pytest.raises(FinwaitError) as caught:
        guest.check(replace(JOB, **change))  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_of_somebody_else() -> None:
    with pytest.raises(FinwaitError, match="cannot write into /etc"):
        guest.check(replace(JOB, output=Path("/etc")))
