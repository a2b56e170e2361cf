"""Frames with more data than the wire's MTU takes, handed over as a device does that has merged segments."""

from __future__ import annotations

import mmap
import socket
import struct

from harness.errors import FinwaitError
from harness.tcp.ip import internet_checksum
from harness.wire.capture import packet_socket
from harness.wire.decode import PSEUDO, locate
from netns.enter import Namespace
from netns.lab import closer
from netns.link import PEER_END

_SOL_PACKET, _PACKET_VNET_HDR = 263, 15  # linux/socket.h, linux/if_packet.h
_HEADER = struct.Struct("=BBHHHH")  # struct virtio_net_hdr, linux/virtio_net.h
_NEEDS_CHECKSUM = 1
_TCP_OF = {4: 1, 6: 4}  # VIRTIO_NET_HDR_GSO_TCPV4 and _TCPV6, by IP version
# as much of a frame as a tun device keeps in one piece (SKB_MAX_HEAD, include/linux/skbuff.h): what a packet takes of
# the receive buffer, and so the window, depends on it
_LINEAR = mmap.PAGESIZE - 384
_CHECKSUM_AT = 16  # octets of the TCP header before its checksum


class MergedSender:
    """Sends segments of any length to the kernel, which takes each for several of one size that came at once.

    Args:
        namespace: the peer's.
    """

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self._socket = packet_socket(PEER_END, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)

    def send(self, frame: bytes, size: int) -> None:
        """Send a frame.

        Args:
            frame: Ethernet, with a TCP segment.
            size: octets of data that each of the segments had, at least 1.

        Raises:
            FinwaitError: it has no segment, or is longer than any packet can be.
        """
        where = locate(frame)
        if where is None:
            raise FinwaitError("a frame without a whole TCP segment cannot be one of several")
        length = where.end - where.start
        # only the pseudo-header is summed up: the kernel adds the rest where a device would have
        content = where.addresses + PSEUDO.pack(socket.IPPROTO_TCP, length)
        total = 0xFFFF - internet_checksum(content)
        place = where.start + _CHECKSUM_AT
        partial = frame[:place] + struct.pack("!H", total) + frame[place + 2 :]
        linear = min(len(frame), _LINEAR)
        header = _HEADER.pack(_NEEDS_CHECKSUM, _TCP_OF[where.version], linear, size, where.start, _CHECKSUM_AT)
        try:
            self._socket.send(header + partial)
        except OSError as error:
            what = f"a frame of {len(frame)} bytes cannot be sent ({error.strerror})"
            raise FinwaitError(what, hint="less data in a segment") from error

    def close(self) -> None:
        """Let go of it, without waiting for it."""
        closer.close(self._socket.close)
