"""What a peer has beside a connection's numbers: the cookie that the kernel gives it, and the key that both share."""

from __future__ import annotations

from msgspec.structs import replace

from harness.explore.attempt import COOKIE, KEYS, SIGNATURES, SIGNED
from harness.tcp.authentication import Direction, Md5Key, flaws
from harness.tcp.options import Option
from harness.tcp.segment import Segment
from harness.wire.frames import Flow
from netns.plan import Plan

KEY = Md5Key(KEYS["md5_key"])
_ANOTHER = Md5Key(b"another")
_COOKIE, _SIGNATURE = "opt 34", "opt 19"
_WRONG = b"\xff" * 16
FORGED = f"{_SIGNATURE} {_WRONG.hex()}"
"""Stands for a signature of the kernel's that is not by the key."""


def cookie_of(segment: Segment) -> bytes:
    """The cookie of Fast Open that a segment of the kernel's has; empty where it has none."""
    option = segment.option(_COOKIE)
    return option.raw if option else b""


def dressed(segment: Segment, options: str, plan: Plan, flow: Flow, cookie: bytes) -> Segment:
    """The segment with wire numbers, with the cookie and the signature that its options are to have.

    Args:
        segment: with a blank for each.
        options: as ``Put`` names them.
        plan: whose addresses are signed.
        flow: whose ports are.
        cookie: the kernel's for this peer.
    """
    if options == COOKIE:
        return replace(segment, options=(*segment.options[:-1], Option(_COOKIE, raw=cookie)))
    if options not in SIGNATURES:
        return segment
    key = KEY if options == SIGNED else _ANOTHER
    *before, blank = segment.options
    signature = key.signature(segment, _direction(plan, flow, of_kernel=False), blank)
    return replace(segment, options=(*before, signature))


def without_chance(segment: Segment, plan: Plan, flow: Flow) -> Segment:
    """A segment of the kernel's with wire numbers, with zeros for a cookie and for a signature that is by the key."""
    if not any(one.name in (_COOKIE, _SIGNATURE) for one in segment.options):
        return segment
    wrong = segment.option(_SIGNATURE) and flaws(segment, _direction(plan, flow, of_kernel=True), (KEY,))
    blanks = {_COOKIE: bytes(len(cookie_of(segment))), _SIGNATURE: _WRONG if wrong else bytes(len(_WRONG))}
    several = (replace(one, raw=blanks[one.name]) if one.name in blanks else one for one in segment.options)
    return replace(segment, options=tuple(several))


def _direction(plan: Plan, flow: Flow, *, of_kernel: bool) -> Direction:
    addresses = plan.peer.address(flow.version), plan.kernel.address(flow.version)
    ports = flow.peer_port, flow.kernel_port
    if of_kernel:
        return Direction(addresses[::-1], ports[::-1], (0, 0))
    return Direction(addresses, ports, (0, 0))
