"""What a kernel tells of itself beside numbers, flags and options: IP headers and TCP_INFO. Pure."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from harness.explore.attempt import INFO, INFO_TIMES
from harness.probes.tcp_info import TcpInfo
from harness.tcp.ip import IpHeader

_RATES = ("pacing_rate", "max_pacing_rate", "delivery_rate")
_TIMES = {name for name in TcpInfo.__struct_fields__ if name.endswith(("_us", "_ms")) or name in _RATES}
_WITHOUT = {"state", "last_ack_sent_ms"}  # noted as such; always 0


def told_by(info: TcpInfo, ignored: Set[str]) -> dict[str, int | str]:
    """The fields of TCP_INFO that this kernel has, by name, without those that are out of sight."""
    hidden = _WITHOUT | (_TIMES if INFO_TIMES in ignored else set())
    shown = _TIMES if INFO in ignored else set(TcpInfo.__struct_fields__)
    fields = msgspec.structs.asdict(info)
    return {
        name: " ".join(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if name in shown and name not in hidden and value is not None
    }


class Identifications:
    """How one connection's IP headers are told: an identification by the one before, since the first is random."""

    def __init__(self) -> None:
        self._last: int | None = None

    def told(self, header: IpHeader) -> str:
        """A header in a few words, such as ``ttl 64, class 0, DF, id next``."""
        last, self._last = self._last, header.identification
        number = "0" if not self._last else "next" if last is not None and self._last == (last + 1) % 2**16 else "other"
        fragment = ", DF" if header.dont_fragment else ""
        options = f", options {header.options.hex()}" if header.options else ""
        return f"ttl {header.ttl}, class {header.traffic_class}{fragment}, id {number}{options}"
