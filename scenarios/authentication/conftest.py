"""What scenarios of signed connections share: how both ends get a key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import SYN, AoKey, Connection, Endpoint, Md5Key, Peer, Session, Unsupported, errno_of

Sharing = Callable[..., None]


@pytest.fixture
def key(request: pytest.FixtureRequest) -> Md5Key | AoKey:
    """The module's, unless a scenario is parametrized by it."""
    module_key: Md5Key | AoKey = request.module.KEY
    return module_key


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
    """A peer that shares the key with the listener."""
    peer = session.new_peer(listener.port)
    share(listener, peer, key)
    return peer


@pytest.fixture
def calling(session: Session, share: Sharing, key: Md5Key | AoKey) -> Connection:
    """A client that shares the key with its peer and has sent its SYN."""
    client = session.socket()
    peer = session.new_peer(client.port)
    share(client, peer, key)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    return Connection(client, peer)


@pytest.fixture
def established(session: Session, listener: Endpoint, signing: Peer) -> Connection:
    """A connection of which each segment is signed."""
    return session.establish(listener, signing, options="mss 1460")
