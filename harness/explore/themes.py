"""Themes: what the programs of a search are likely to do, as weights. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import FinwaitError
from harness.explore.attempt import COOKIE, COOKIES, FILLS, SEGMENT_OPTIONS, SIGNED, SYN_OPTIONS, WRONGLY_SIGNED, Act
from harness.explore.starts import STARTS
from harness.tcp.segment import ACK, FIN, NONE, PSH, RST, SYN, URG

_BUFFERS = {1024: 4, 8192: 4, 65_536: 1, 1_000_000: 1}
_PAUSES = {2: 8, 55: 8, 1_370: 14, 3_870: 8, 61_700: 8, 7_250_000: 10, 86_400_000: 1}
"""None is a timer's length, nor the sum of some: what comes at the end of a pause comes before or after it."""


@dataclass(frozen=True, slots=True)
class Theme:
    """What a program is likely to do; each mapping gives weights.

    Args:
        starts: names of ``STARTS``.
        flags: of segments.
        calls: names of ``CALLS``.
        kinds: ``put``, ``act``, ``pause``, ``icmp`` and ``about``.
        sizes: octets of data, of segments and calls.
        buffers: octets that a buffer is to have.
        pauses: ms; ``longest_ms`` bounds them, where time is real.
        settings: how many programs begin with a sysctl or an option of the socket to be, of all.
        ipv6: how many run over IPv6, of all.
        mixed: names of other themes, one of which a program has instead.
        usual: the options of a segment that is odd in nothing else; ``usual_syn`` of a SYN.
        options: of which those that are odd in their options have one; ``syn_options`` those of a SYN.
        connections: at most, each of which begins as ``starts`` say; ``about`` is a kind then.
    """

    starts: Mapping[str, int]
    flags: Mapping[int, int]
    calls: Mapping[str, int]
    kinds: Mapping[str, int]
    sizes: Mapping[int, int]
    buffers: Mapping[int, int] = field(default_factory=lambda: _BUFFERS)
    pauses: Mapping[int, int] = field(default_factory=lambda: _PAUSES)
    longest_ms: int = 1 << 31
    settings: float = 0.1
    ipv6: float = 0.05
    connections: int = 1
    usual: str = ""
    usual_syn: str = ""
    options: Sequence[str] = SEGMENT_OPTIONS
    syn_options: Sequence[str] = SYN_OPTIONS
    mixed: Mapping[str, int] = field(default_factory=dict)


_FLAGS = {
    **{int(ACK): 10, int(FIN | ACK): 6, int(PSH | ACK): 1, int(RST): 2, int(RST | ACK): 2, int(SYN): 3},
    **{int(SYN | ACK): 3, int(FIN): 1, int(NONE): 1, int(SYN | FIN): 1, int(SYN | RST | FIN | ACK): 1},
    **{int(URG | ACK): 1, int(SYN | FIN | ACK): 1},
}
_CLOSING_CALLS = {"close": 3, "shutdown_wr": 3, "shutdown_rdwr": 2, "shutdown_rd": 1, "send": 2, "recv": 2}
_SETTINGS = {"linger_0": 1, "linger2_120": 1, "abort": 1}
_RARE = dict.fromkeys(("nodelay", "cork", "keepalive", "user_timeout", "defer_accept", "rcvbuf", "sndbuf"), 1)
_SIZES = {0: 16, 1: 4, 5: 4, 1448: 2, 2896: 1, 20_000: 1, FILLS: 3}
_EXTENDED = ("fast open", "signed")
_ANY_STATE = {name: 1 if "orphaned" in name else 2 for name in STARTS if not name.endswith(_EXTENDED)}
_OPENED = {name: weight for name, weight in _ANY_STATE.items() if not name.startswith(("CLOSED", "LISTEN", "SYN-"))}

THEMES: Mapping[str, Theme] = {
    "closing": Theme(
        _OPENED,
        _FLAGS,
        {**_CLOSING_CALLS, **_SETTINGS, "accept": 1},
        {"put": 7, "act": 3},
        _SIZES,
    ),
    "opening": Theme(
        {name: 8 if name.startswith(("LISTEN", "SYN-", "CLOSED")) else 1 for name in _ANY_STATE},
        {**_FLAGS, int(SYN): 6, int(SYN | ACK): 6, int(RST): 4},
        {"accept": 3, "connect": 3, "listen": 2, "close": 2, "send": 1, "recv": 1, "shutdown_wr": 1, "abort": 1},
        {"put": 8, "act": 2},
        _SIZES,
        settings=0.2,
    ),
    "windows": Theme(
        {
            **{"ESTABLISHED": 3, "ESTABLISHED unaccepted": 2, "ESTABLISHED actively": 3},
            **{"CLOSE-WAIT": 1, "FIN-WAIT-2": 1, "FIN-WAIT-1 actively": 1, "ESTABLISHED sending": 3},
            **{"FIN-WAIT-1 sending": 1, "CLOSE-WAIT sending": 1},
        },
        {**_FLAGS, int(PSH | ACK): 4, int(ACK): 20},
        {"send": 6, "recv": 4, "shutdown_wr": 2, "close": 1, "rcvbuf": 2, "sndbuf": 1},
        {"put": 7, "act": 3},
        {0: 4, 1: 3, 5: 2, 1448: 3, 2896: 3, 20_000: 2, 60_000: 2, FILLS: 4},
        settings=0.4,
    ),
    "time": Theme(
        _ANY_STATE,
        _FLAGS,
        {**_CLOSING_CALLS, **_SETTINGS, "accept": 1, "connect": 1},
        {"put": 5, "act": 2, "pause": 3},
        _SIZES,
    ),
    "several": Theme(
        {name: 1 for name in _ANY_STATE if STARTS[name][:1] == (Act("listen"),)} | {"ESTABLISHED": 4, "LISTEN": 3},
        {**_FLAGS, int(SYN): 6},
        {**_CLOSING_CALLS, "accept": 4, "abort": 1, "linger_0": 1, "defer_accept": 1},
        {"put": 6, "act": 3, "about": 3},
        _SIZES,
        connections=3,
    ),
    "fastopen": Theme(
        {name: 2 for name in STARTS if name.endswith("fast open")} | {"LISTEN": 1, "SYN-SENT": 1},
        {**_FLAGS, int(SYN): 10},
        {**_CLOSING_CALLS, "accept": 4, "abort": 1, "linger_0": 1, "listen": 1, "fastopen": 1, "connect": 1},
        {"put": 7, "act": 3},
        {**_SIZES, 0: 8, 5: 8},
        usual_syn=COOKIE,
        syn_options=(*COOKIES, "", "full", "none", "malformed", "overlong"),
    ),
    "signed": Theme(
        {name: 1 for name in STARTS if name.endswith("signed")} | {"ESTABLISHED": 1},
        _FLAGS,
        {**_CLOSING_CALLS, "accept": 2, "abort": 1, "linger_0": 1, "md5_key": 1, "md5_no_key": 1},
        {"put": 7, "act": 2},
        _SIZES,
        usual=SIGNED,
        usual_syn=SIGNED,
        options=("", "", WRONGLY_SIGNED, WRONGLY_SIGNED, "malformed"),
        syn_options=("", "", WRONGLY_SIGNED, WRONGLY_SIGNED, "malformed"),
    ),
    "any": Theme(
        _ANY_STATE,
        _FLAGS,
        {**_CLOSING_CALLS, **_SETTINGS, "accept": 1, "connect": 1, "listen": 1, **_RARE},
        {"put": 64, "act": 24, "pause": 5, "icmp": 2},
        _SIZES,
        settings=0.2,
        mixed={"any": 8, "closing": 3, "opening": 4, "windows": 3, "time": 2, "several": 1, "fastopen": 1, "signed": 1},
    ),
}


LONGEST_IN_REAL_TIME = 4_000
"""ms of a pause in which somebody waits: longer than the second and third time that a SYN is sent again."""


def theme_of(name: str) -> Theme:
    """A theme by its name.

    Raises:
        FinwaitError: there is none of that name.
    """
    if name not in THEMES:
        raise FinwaitError(f"there is no theme {name!r}", hint=", ".join(THEMES))
    return THEMES[name]


def kinds_of(theme: Theme) -> set[str]:
    """The kinds of steps that its programs may have, those of the themes that it mixes included."""
    return set(theme.kinds).union(*(THEMES[name].kinds for name in theme.mixed))
