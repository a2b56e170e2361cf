"""Reports about resets: a socket killed from outside, and connections that TCP-MD5 protects from forged ones."""

from __future__ import annotations

import hashlib
import socket
import struct

from harness import (
    ACK,
    INITIAL_SEQUENCE_NUMBER,
    RST,
    SYN,
    Connection,
    Endpoint,
    Peer,
    Session,
    Unsupported,
    errno_of,
    requirement,
)

KEY = b"secret"
NO_DIGEST = 16 * "00"


@requirement("RFC9293-3.10.5")
def test_killed_socket_resets_its_peer_and_tells_its_process(session: Session, established: Connection) -> None:
    """ss(8): -K closes a socket by force, and the process gets ECONNABORTED.

    https://gerrit-public.fairphone.software/plugins/gitiles/kernel/msm-4.9/+/5cfe6d8adb57bd390bedc604be84cf8ff6808e1c
    """
    server, peer = established
    killed = session.run(["ss", "-HtK", "dport", "=", str(peer.port)])
    if not killed.stdout.strip():
        raise Unsupported("ss cannot kill a socket", why="CONFIG_INET_DIAG_DESTROY is off")
    peer.expect(RST, seq=1, ack=1)
    assert errno_of(server.receive) == "ECONNABORTED"


# -- TCP-MD5 (RFC 2385)


def protect(session: Session, listener: Endpoint) -> None:
    """Have all segments of the peer's address signed."""
    address = struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(session.peer_address))
    value = address + struct.pack("=BBHi80s", 0, 0, len(KEY), 0, KEY)
    if errno_of(lambda: listener.set_option("TCP_MD5SIG", value)) == "ENOPROTOOPT":
        raise Unsupported("no TCP-MD5", why="CONFIG_TCP_MD5SIG is off")


def digest(source: str, target: str, ports: tuple[int, int], fields: tuple[int, int, int, int]) -> str:
    """RFC 2385 2: over pseudo-header, header without options and with no checksum, no data, and the key."""
    seq, ack, flags, window = fields
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 40)
    header = struct.pack("!HHIIBBHHH", *ports, seq, ack, 10 << 4, flags, window, 0, 0)
    return hashlib.md5(pseudo + header + KEY).hexdigest()


def test_reset_for_a_connection_that_is_gone_is_signed(session: Session, listener: Endpoint) -> None:
    """Commit 658ddaaf6694: an unsigned RST is ignored, so that BGP waits for its hold timer when a router restarts."""
    protect(session, listener)
    peer = session.new_peer(listener.port)
    here, there = session.kernel_address, session.peer_address
    sent = INITIAL_SEQUENCE_NUMBER + 1, 1, ACK, 65535
    signed = digest(there, here, (peer.port, listener.port), sent)
    peer.send(ACK, seq=1, ack=1, options=f"nop,nop,opt 19 {signed}")
    expected = digest(here, there, (listener.port, peer.port), (1, 0, RST, 0))
    peer.expect(RST, seq=1, options=f"opt 19 {expected}")


@requirement("RFC2385-2.0")
def test_unsigned_or_wrongly_signed_segment_draws_nothing(session: Session, listener: Endpoint) -> None:
    """RFC 2385 2.0: a failing comparison "must not produce any response back to the sender"."""
    protect(session, listener)
    peer: Peer = session.new_peer(listener.port)
    for options in (session.syn_options, f"nop,nop,opt 19 {NO_DIGEST}"):
        peer.send(SYN, seq=0, options=options)
        peer.expect_at_once(silence="dropped")
