"""What a script's shell commands set in its lab, as far as they only set sysctls. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from typing import NamedTuple

_ARITHMETIC = re.compile(r"\$\(\(([\d*+() ]+)\)\)")
_NEEDLESS = re.compile(
    r"ip tcp_metrics flush all|tc qdisc (add|replace) dev tun0 root pfifo|/tmp/sysctl_restore_\$\{PPID\}\.sh"
)
"""What a lab is already: without metrics, on a device that holds nothing back; and it undoes what a scenario sets."""
_QUIET = re.compile(r"\s*(>\s*/dev/null|2>&1|\|\|\s*(true|:))")
_DEEPEST = 4

RELEASED = {
    "net/ipv4/tcp_frto": "2",
    "net/ipv4/tcp_fack": "0",
    "net/ipv4/tcp_reordering": "3",
    "net/ipv4/tcp_recovery": "1",
    "net/ipv4/tcp_slow_start_after_idle": "1",
    "net/ipv4/tcp_tso_win_divisor": "3",
    "net/ipv4/tcp_ecn_option": "2",
    "net/ipv4/tcp_pacing_ss_ratio": "200",
    "net/ipv4/tcp_pacing_ca_ratio": "120",
    "net/ipv4/tcp_notsent_lowat": "4294967295",
}
"""What each network namespace begins with (ip-sysctl.rst), and older kernels may not have."""

UNPINNED = {"net/ipv4/tcp_ecn": "2", "net/ipv4/tcp_fastopen": "1", "net/ipv4/tcp_invalid_ratelimit": "500"}
"""What each network namespace begins with and a lab pins to something else."""


class LabSetting(NamedTuple):
    """A sysctl by its name with slashes, and its value; or, where ``name`` is empty, a command that is none."""

    name: str
    value: str


def settings(text: str, read: Callable[[str], str | None], depth: int = 0) -> Iterator[LabSetting]:
    """What a command sets, in order.

    Args:
        text: as it stands between backticks, or in a file of the shell's.
        read: a file that a command names, as the text it holds; None for one that is not there.
        depth: of files that name others.
    """
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;", line):
            command = _QUIET.sub("", _without_comment(part)).strip()
            if command:
                yield from _of_command(command, read, depth)


def _of_command(command: str, read: Callable[[str], str | None], depth: int) -> Iterator[LabSetting]:
    if _NEEDLESS.fullmatch(command):
        return
    try:
        name, *words = shlex.split(_ARITHMETIC.sub(_counted, command))
    except ValueError:
        name, words = "", []
    if name.rpartition("/")[2] == "set_sysctls.py" or (name == "sysctl" and words):
        yield from _sysctls(command, words)
    elif name.endswith(".sh") and not words and depth < _DEEPEST and (held := read(name)) is not None:
        yield from settings(held, read, depth + 1)
    else:
        yield LabSetting("", command)


def _sysctls(command: str, words: list[str]) -> Iterator[LabSetting]:
    for word in words:
        if word in ("-q", "-w", "-e", "-qw", "-eq", "-qe"):
            continue
        name, equals, value = word.partition("=")
        path = name.removeprefix("/proc/sys/").replace(".", "/")
        if not equals or not path.startswith("net/") or "$" in value:
            yield LabSetting("", command)
            return
        yield LabSetting(path, value)


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line)


def _counted(match: re.Match[str]) -> str:
    """Products and sums of whole numbers, as all that these files count."""
    total = 0
    for term in match[1].replace(" ", "").strip("()").split("+"):
        product = 1
        for factor in term.split("*"):
            if not factor.isdecimal():
                return match[0]
            product *= int(factor)
        total += product
    return str(total)
