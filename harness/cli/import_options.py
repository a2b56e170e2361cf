"""What a person may type behind ``finwait import``."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.shared_options import Verbs, add_kernel, add_run_dir, count, verb
from harness.errors import FinwaitError
from harness.tcp.timing import REAL_WAIT, SECOND, Span, span_of


def add_import(verbs: Verbs[argparse.ArgumentParser]) -> None:
    """``finwait import``."""
    taken = verb(
        verbs,
        "import",
        "tell and reproduce a capture, or print a packetdrill script as a scenario",
        "To reproduce it, a kernel takes one side, and a peer sends what the other sent\n"
        "(docs/captures.md). What a scenario cannot say of a script stands there in a\ncomment, and the status is 2.",
        "finwait import script.pkt --as python > test_script.py",
        "finwait import incident.pcap",
        "finwait import incident.pcap --connection 3 --reproduce --kernel uml:5.10",
    )
    taken.add_argument("file", type=Path, metavar="FILE", help="a pcap or pcapng file, or a .pkt file")
    taken.add_argument(
        "--connection", default="", metavar="N", help="a connection's number, a port, or an address and port"
    )
    taken.add_argument("--endpoint", default="", metavar="ADDRESS", help="the kernel under test [told by the capture]")
    taken.add_argument("--against", type=Path, metavar="FILE", help="another capture of it, from its other end")
    taken.add_argument("--scrub", type=Path, metavar="FILE", help="write a copy with other addresses and data")
    taken.add_argument("--reproduce", action="store_true", help="try on kernels what may have happened")
    add_kernel(taken, "a kernel; may be repeated [host, uml:5.10]")
    taken.add_argument("--runs", type=count, default=3, metavar="N", help="how often each is tried [3]")
    most = f"how long one may wait in all, in real time [{REAL_WAIT.ns // SECOND.ns}]"
    taken.add_argument("--real-wait", type=_seconds, default=REAL_WAIT, metavar="SECONDS", help=most)
    taken.add_argument("--save", type=Path, metavar="FILE", help="write what reproduces it as a scenario")
    add_run_dir(taken)
    taken.add_argument(
        "--as", dest="kind", choices=("python",), default="python", help="what to print of a script [python]"
    )
    for option, metavar, does in (
        ("--pkt-define", "NAME=VALUE", "a symbol of the script"),
        ("--pkt-option", "NAME=VALUE", "an option, such as ip_version=ipv6"),
    ):
        taken.add_argument(option, action="append", default=[], metavar=metavar, help=f"{does}; may be repeated")
    # another mirror is said to "finwait kernels fetch": the help has one screen
    taken.set_defaults(mirror="", security_mirror="", keyring=None, insecure=False)


def _seconds(text: str) -> Span:
    try:
        return span_of(float(text), "--real-wait")
    except (ValueError, FinwaitError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None
