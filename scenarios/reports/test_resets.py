"""Reports about resets: a socket killed from outside, and connections that TCP-MD5 protects from forged ones."""

from __future__ import annotations

from harness import (
    ACK,
    RST,
    SYN,
    Connection,
    Endpoint,
    Md5Key,
    Peer,
    Session,
    Unsupported,
    errno_of,
    report,
    requirement,
)

KEY = Md5Key(b"secret")
NO_DIGEST = 16 * "00"


@report(
    "https://gerrit-public.fairphone.software/plugins/gitiles/kernel/msm-4.9/+/5cfe6d8adb57bd390bedc604be84cf8ff6808e1c"
)
@requirement("RFC9293-3.10.5")
def test_killed_socket_resets_its_peer_and_tells_its_process(session: Session, established: Connection) -> None:
    """ss(8): -K closes a socket by force, and the process gets ECONNABORTED."""
    server, peer = established
    killed = session.run(["ss", "-HtK", "dport", "=", str(peer.port)])
    if not killed.stdout.strip():
        raise Unsupported("ss cannot kill a socket", why="CONFIG_INET_DIAG_DESTROY is off")
    peer.expect(RST, seq=1, ack=1)
    assert errno_of(server.receive) == "ECONNABORTED"


# -- TCP-MD5 (RFC 2385)


def protect(peer: Peer, listener: Endpoint) -> None:
    """Have all segments of the peer's address signed."""
    if errno_of(lambda: listener.set_option("TCP_MD5SIG", peer.key_option(KEY))) == "ENOPROTOOPT":
        raise Unsupported("no TCP-MD5", why="CONFIG_TCP_MD5SIG is off")


@report("658ddaaf6694")
def test_reset_for_a_connection_that_is_gone_is_signed(session: Session, listener: Endpoint) -> None:
    """Before the commit it was unsigned and ignored, and BGP waited for its hold timer when a router restarted."""
    peer = session.new_peer(listener.port)
    protect(peer, listener)
    peer.keys = (KEY,)
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST, seq=1, window=0)


@requirement("RFC2385-2.0")
def test_unsigned_or_wrongly_signed_segment_draws_nothing(session: Session, listener: Endpoint) -> None:
    """RFC 2385 2.0: a failing comparison "must not produce any response back to the sender"."""
    peer = session.new_peer(listener.port)
    protect(peer, listener)
    for options in (session.syn_options, f"nop,nop,opt 19 {NO_DIGEST}"):
        peer.send(SYN, seq=0, options=options)
        peer.expect_at_once(silence="dropped")
