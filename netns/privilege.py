"""The right to make namespaces: root, or an own user namespace, or one clear error."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from netns.enter import CLONE_NEWNET, CLONE_NEWUSER, Namespace, unshare
from netns.errors import FinwaitError

_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21


def has_capabilities() -> bool:
    """Whether the process may make network namespaces and configure them."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return all(effective >> bit & 1 for bit in (_CAP_NET_ADMIN, _CAP_SYS_ADMIN))


def ensure() -> str:
    """Make sure that this process and its children may make namespaces; say how: ``root`` or ``user namespace``.

    An own user namespace is entered once, in the process that starts everything else: a process that has
    several threads cannot enter one (unshare(2), EINVAL).

    Raises:
        FinwaitError: neither way is open; the text names the setting that closes it.
    """
    if has_capabilities():
        return "root" if not _in_user_namespace() else "user namespace"
    _enter_user_namespace()
    return "user namespace"


def _in_user_namespace() -> bool:
    # the initial user namespace maps everything
    return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]


def _enter_user_namespace() -> None:
    user, group = os.getuid(), os.getgid()
    try:
        # a network namespace with it: the right to netlink there is what is wanted, and AppArmor may say no to it only
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        Namespace.create().close()
    except OSError as error:
        raise FinwaitError(
            f"this user may not make network namespaces ({error.strerror})",
            why=_reason(error),
            hint="sudo, with the same command",
        ) from error


def _reason(error: OSError) -> str:
    """Which setting is behind a refusal."""
    settings = (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor restricts user namespaces"),
        ("kernel/unprivileged_userns_clone", "0", "user namespaces are for root only"),
        ("user/max_user_namespaces", "0", "user namespaces are switched off"),
    )
    for name, value, meaning in settings:
        try:
            seen = (Path("/proc/sys") / name).read_text().strip()
        except OSError:
            continue
        if seen == value:
            return f"{meaning} (sysctl {name.replace('/', '.')} is {value})"
    if threading.active_count() > 1:
        return "the process has several threads already, and then a user namespace cannot be entered"
    return f"a container or a security module forbids it ({error})"
