"""The names of the kernel's TCP states in RFC 9293."""

from __future__ import annotations

# enum in include/net/tcp_states.h, from 1 on. NEW_SYN_RECV is the mini-socket of a half-open passive connection:
# the same state of the same connection. BOUND_INACTIVE (13) exists in dumps that ask for it only.
NAMES = (
    "?",
    "ESTABLISHED",
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
    "SYN-RECEIVED",
    "CLOSED",
)


def state_name(number: int) -> str:
    """The RFC's name of a state of the kernel's; a number that no known kernel uses is shown as it is."""
    return NAMES[number] if 0 < number < len(NAMES) else f"state {number}"
