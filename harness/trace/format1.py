"""Takes from the texts of format 1 of the records what it kept in no field. Pure."""

from __future__ import annotations

import re

import msgspec

from harness.tcp.kernel_view import HOLDERS
from harness.tcp.verdict import Due, Evidence, Outcome
from harness.trace.records import Result, TimelineRecord

_TITLE = 10  # columns before a line of the text, see Evidence.__str__


def converted(result: Result) -> Result:
    """A result of format 1 with its evidence; the message stays as it was.

    Times and differences stay within the texts: format 1 rounded the first and cannot be told from the second.
    """
    if result.outcome != Outcome.DEVIATES or not result.message.startswith("expected "):
        return result
    sections: dict[str, list[str]] = {}
    title = ""
    for line in result.message.splitlines():
        title = line[:_TITLE].strip() or title
        sections.setdefault(title, []).append(line[_TITLE:])
    seen, *_ = re.split(" {3}", "\n".join(sections.get("observed", [""])).strip(), maxsplit=1)
    evidence = Evidence(
        expected=tuple(Due(line) for line in sections["expected"]),
        observed=seen,
        notes=tuple(sections.get("kernel", ())),
        so_far=tuple(sections.get("so far", ())),
    )
    return msgspec.structs.replace(result, evidence=evidence)


class _Timeline(msgspec.Struct):
    format: int
    scenario: str
    events: list[dict[str, object]]


def timeline(content: bytes) -> TimelineRecord:
    """A timeline's file with the fields of today: what it said of a call, a probe and a verdict was text.

    Raises:
        msgspec.DecodeError: it is none.
    """
    record = msgspec.json.decode(content, type=_Timeline)
    for event in record.events:
        match event.get("type"):
            case "called":
                event.update(_called(str(event.get("call")), str(event.get("result"))))
            case "probed":
                event.update(_probed(str(event.get("source")), str(event.get("text")), str(event.get("state", ""))))
            case "received" | "forwarded":
                number, *rest = str(event.get("step", "")).split(": ", 2)  # "3: expect . 1:1(0) ack 1: accepted"
                event.update(step=": ".join((number, *rest[:1])), judged="".join(rest[1:]))
    return msgspec.convert(msgspec.to_builtins(record), TimelineRecord, strict=True)


def _called(call: str, result: str) -> dict[str, object]:
    name, _, rest = call.partition("(")
    error = result if re.fullmatch("E[A-Z0-9]+", result) else ""
    told: int | str = 0 if error else int(result) if result.isdecimal() else result
    arguments = [one for one in rest.removesuffix(")").split(", ") if one]
    return {"name": name, "arguments": arguments, "result": told, "error": error}


def _probed(source: str, text: str, state: str) -> dict[str, object]:
    if source == "nginx":
        return {"what": "ended", "details": {"call": text.rpartition(" ")[2]}}
    was, _, became = text.partition(" -> ")
    holder = next((name for name, told in HOLDERS.items() if text.endswith(told)), "")
    return {"what": "" if state else text, "was": was if became and state else "", "holder": holder}
