"""What scenarios of signed connections share: how both ends get a key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import AoKey, Connection, Endpoint, Md5Key, Peer, Session, Unsupported, errno_of

Sharing = Callable[..., None]


@pytest.fixture
def share() -> Sharing:
    """Gives a socket and a peer a key: ``share(socket, peer, key, prefix)``, for the peer's address or a prefix of it.

    The peer's keys from before are gone.
    """

    def given(socket: Endpoint, peer: Peer, key: Md5Key | AoKey, prefix: int | None = None) -> None:
        name = "TCP_AO_ADD_KEY" if isinstance(key, AoKey) else "TCP_MD5SIG" if prefix is None else "TCP_MD5SIG_EXT"
        if errno_of(lambda: socket.set_option(name, peer.key_option(key, prefix))) == "ENOPROTOOPT":
            raise Unsupported(f"this kernel has no {name}", why="CONFIG_TCP_AO or CONFIG_TCP_MD5SIG is off")
        peer.keys = (key,)

    return given


@pytest.fixture
def signing(session: Session, listener: Endpoint, share: Sharing, key: Md5Key | AoKey) -> Peer:
    """A peer that shares the module's key with the listener."""
    peer = session.new_peer(listener.port)
    share(listener, peer, key)
    return peer


@pytest.fixture
def established(session: Session, listener: Endpoint, signing: Peer) -> Connection:
    """A connection of which each segment is signed."""
    return session.establish(listener, signing, options="mss 1460")
