"""Plain delay, loss and rate on a device, by the kernel's own netem queue (tc-netem(8))."""

from __future__ import annotations

import os

from pyroute2.netlink.exceptions import NetlinkError

from netns.enter import Namespace
from netns.errors import Unsupported
from netns.link import netlink

_LIMIT = 10_000  # frames that netem holds at a time; its own default of 1000 is less than a window of small ones
_NS_IN_US = 1000


def impair(
    namespace: Namespace, device: str, *, delay_ns: int = 0, loss: float = 0.0, bytes_per_second: int = 0
) -> None:
    """Make what leaves by a device late, lossy or slow; what was said of it before no longer holds.

    Args:
        namespace: the device's.
        device: its name.
        delay_ns: how long each frame waits, in whole microseconds.
        loss: chance of a frame to be dropped, 0 to 1.
        bytes_per_second: 0 for no limit.

    Raises:
        Unsupported: the kernel has no netem.
    """
    options: dict[str, int | float | str] = {"limit": _LIMIT}
    if delay_ns:
        options["delay"] = delay_ns // _NS_IN_US
    if loss:
        options["loss"] = loss * 100
    if bytes_per_second:
        options["rate"] = f"{bytes_per_second * 8}bit"
    with netlink(namespace) as route:
        index = route.link("get", ifname=device)[0]["index"]
        try:
            route.tc("replace", "netem", index, handle="1:", **options)
        except NetlinkError as error:
            raise Unsupported(
                f"this kernel has no netem ({os.strerror(error.code)})",
                why="it is a module that is not there, or not loaded",
                hint="modprobe sch_netem, or CONFIG_NET_SCH_NETEM in a kernel of your own",
            ) from error
