"""Tries what the harness needs of a machine: ``python -m netns.attempt`` prints the result as JSON."""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from netns import link, privilege, sysctls
from netns.errors import FinwaitError
from netns.lab import Lab
from netns.trial import Trial

_SO_TIMESTAMPNS = 35
_ETH_P_ARP = 0x0806
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR = 2
_LISTEN = 10
_ANSWER_SECONDS = 2.0


def attempt() -> Trial:
    """Try everything; the calling process may be in a user namespace afterwards."""
    trial = Trial()
    try:
        trial.way = privilege.ensure()
        start = time.monotonic()
        with Lab() as lab:
            trial.lab_seconds = time.monotonic() - start
            trial.not_pinned = lab.not_pinned
            with lab.kernel.entered():
                trial.ipv6 = _reason(lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close())
                trial.congestion = (sysctls.read("net/ipv4/tcp_available_congestion_control") or "").split()
                trial.sock_diag = _reason(_list_listeners)
                trial.tcp_info = _tcp_info_bytes()
            trial.stamps = _reason(lambda: _stamped_answer(lab))
    except (FinwaitError, OSError) as error:
        trial.error = str(error)
    return trial


def _reason(action: Callable[[], None]) -> str:
    try:
        action()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _list_listeners() -> None:
    """Find an own listening socket by sock_diag(7)."""
    with (
        socket.create_server(("", 0)) as server,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diag,
    ):
        request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 1 << _LISTEN) + bytes(48)
        header = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0)
        diag.send(header + request)
        if not select.select([diag], [], [], _ANSWER_SECONDS)[0]:
            raise OSError("no answer")
        answer = diag.recv(65536)
        kind = struct.unpack_from("=H", answer, 4)[0]
        if kind == _NLMSG_ERROR:
            raise OSError(-struct.unpack_from("=i", answer, 16)[0], "the kernel has no inet_diag")
        if kind != _SOCK_DIAG_BY_FAMILY or struct.unpack_from("!H", answer, 20)[0] != server.getsockname()[1]:
            raise OSError("an open socket is not listed")


def _tcp_info_bytes() -> int:
    with socket.socket() as any_socket:
        try:
            return len(any_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1024))
        except OSError:
            return 0


def _stamped_answer(lab: Lab) -> None:
    """Ask for the kernel's link-layer address (RFC 826) and look at the answer's timestamp."""
    with lab.peer.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with wire:
        wire.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        wire.bind((link.PEER_END, _ETH_P_ARP))
        mac = bytes.fromhex(lab.plan.peer.mac.replace(":", ""))
        wire.send(
            b"\xff" * 6
            + mac
            + struct.pack("!HHHBBH", _ETH_P_ARP, 1, 0x0800, 6, 4, 1)
            + mac
            + socket.inet_aton(lab.plan.peer.ipv4)
            + bytes(6)
            + socket.inet_aton(lab.plan.kernel.ipv4)
        )
        if not select.select([wire], [], [], _ANSWER_SECONDS)[0]:
            raise OSError("the kernel did not answer an ARP request")
        ancillary = wire.recvmsg(256, 256)[1]
        if not any(kind == _SO_TIMESTAMPNS and any(data) for _, kind, data in ancillary):
            raise OSError("a frame came without one")


if __name__ == "__main__":
    json.dump(asdict(attempt()), sys.stdout)
