"""Whether a connection shares a key with its peer (TCP_MD5SIG), as the process has set it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_LISTENERS = "md5_key"


@dataclass(slots=True)
class SharedKey:
    """The key of one connection.

    Args:
        owned: whether a process has its socket, of which nothing else may be left.
    """

    owned: bool = False
    _shared: bool = False

    def share(self, asked: set[str], *, shared: bool) -> None:
        """Set a key for the peer's address or take it away: of the connection, else of the listener or next socket."""
        if self.owned:
            self._shared = shared
        elif shared:
            asked.add(_LISTENERS)
        else:
            asked.discard(_LISTENERS)

    def connect(self, asked: set[str]) -> None:
        """It is a new socket's, and no next one has it."""
        self.owned, self._shared = True, _LISTENERS in asked
        asked.discard(_LISTENERS)

    def counts(self, asked: set[str], *, is_open: bool) -> bool:
        """Whether what comes now is looked at for its signature: until it is open, by the key of its listener."""
        if not is_open:
            self._shared = _LISTENERS in asked
        return self._shared
