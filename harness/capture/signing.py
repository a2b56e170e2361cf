"""The signatures of a captured connection: no frame shows the key, and any other signs as well. Pure.

Which key both sides share decides what the signature is, and nothing else of what a kernel sends (RFC 2385, RFC 5925).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from harness.capture.draft import ProgramDraft
from harness.capture.facts import Facts
from harness.program.steps import Assign, Call, Made, Octets, Open, Ref, Several
from harness.tcp.options import Option
from harness.tcp.segment import Segment

_MD5, _AO = "opt 19", "opt 29"
_KEY = Octets(b"assumed")
_IDS = 2  # octets of KeyID and RNextKeyID (RFC 5925 2.2)


def key_of(facts: Facts) -> Made | None:
    """The near side's key, where it signs: one that is assumed, with the numbers of the capture (TCP-AO).

    Where it answers nothing and the far side signs, it has a key as well, and another one.
    """
    near, far = (_signatures(one.segment for one in facts.sightings if one.side == side) for side in _sides(facts))
    if not near and not mute(facts):
        return None
    if not near:
        near = far
    if not near:
        return None
    if near[0].name == _MD5:
        return Made("Md5Key", {"key": _KEY})
    to_kernel = far[0].raw[0] if far else near[0].raw[1]
    numbers = {"to_kernel": to_kernel, "from_kernel": near[0].raw[0], "mac_length": len(near[0].raw) - _IDS}
    return Made("AoKey", {"key": _KEY, **numbers})


def mute(facts: Facts) -> bool:
    """Whether the near side answers nothing."""
    return all(one.side != facts.near for one in facts.sightings)


def _sides(facts: Facts) -> tuple[int, int]:
    return facts.near, 1 - facts.near


def _signatures(segments: Iterable[Segment]) -> list[Option]:
    found = (one for segment in segments for one in segment.options)
    return [one for one in found if one.name == _MD5 or (one.name == _AO and len(one.raw) > _IDS)]


def signed(segment: Segment) -> bool:
    """Whether a segment has a signature."""
    return bool(_signatures([segment]))


def unsigned(segment: Segment) -> Segment:
    """A segment without its signature, and without what pads that."""
    left: list[Option] = []
    for one in segment.options:
        if one not in _signatures([segment]):
            left.append(one)
        elif one.name == _MD5 and [other.name for other in left[-2:]] == ["nop", "nop"]:
            del left[-2:]
    return msgspec.structs.replace(segment, options=tuple(left))


def share(draft: ProgramDraft, key: Made, socket: str) -> None:
    """Write down that the socket of this name and the peer have the key."""
    name = "TCP_MD5SIG" if key.kind == "Md5Key" else "TCP_AO_ADD_KEY"
    draft.add(Open(on="peer", name="key_option", args=(key,), gives=("shared",)))
    draft.add(Call(on=socket, name="set_option", args=(name, Ref("shared"))))
    draft.say(f"{name} is set, with a key that is assumed: the far side signs, and no answer depends on which it is")


def sign(draft: ProgramDraft, key: Made | None) -> None:
    """Write down that the peer signs from here on, or that it does not."""
    draft.add(Assign(on="peer", name="keys", args=(Several((key,) if key else ()),)))
