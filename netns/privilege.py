"""The right to make namespaces: root, or an own user namespace, or one clear error."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from netns import link
from netns.enter import CLONE_NEWNET, CLONE_NEWUSER, Namespace, in_user_namespace, unshare
from netns.errors import FinwaitError

_CAP_NET_ADMIN = 12
_CAP_NET_RAW = 13
_CAP_SYS_ADMIN = 21

_NAMES_OF_THE_USER = ("LOGNAME", "USER", "LNAME", "USERNAME")  # where getpass.getuser looks first

# a setting, the value that closes the way, and what it means
_FORBIDDING = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor restricts user namespaces"),
    ("kernel/unprivileged_userns_clone", "0", "user namespaces are for root only"),
)
_LIMITING = (
    ("user/max_user_namespaces", "0", "user namespaces are switched off"),
    ("user/max_net_namespaces", "0", "network namespaces are switched off"),
)


def has_capabilities() -> bool:
    """Whether the process may make network namespaces, configure them and open packet sockets in them."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return all(effective >> bit & 1 for bit in (_CAP_NET_ADMIN, _CAP_NET_RAW, _CAP_SYS_ADMIN))


def ensure() -> str:
    """Make sure that this process and its children may make namespaces; say how: ``root`` or ``user namespace``.

    An own user namespace is entered once, in the process that starts everything else: a process that has
    several threads cannot enter one (unshare(2), EINVAL).

    Raises:
        FinwaitError: neither way is open; the text names the setting that closes it.
    """
    if has_capabilities():
        return "root" if not in_user_namespace() else "user namespace"
    _enter_user_namespace()
    return "user namespace"


def is_root() -> bool:
    """Whether this is root of the whole machine, and not of a user namespace."""
    return os.geteuid() == 0 and not in_user_namespace()


def _enter_user_namespace() -> None:
    user, group = os.getuid(), os.getgid()
    if not any(os.environ.get(name) for name in _NAMES_OF_THE_USER):
        # else who asks by id is told "root" from here on, and pytest falls over root's folder below /tmp
        os.environ["LOGNAME"] = f"uid{user}"
    try:
        # a network namespace with it, as a home: setns(2) back into the machine's takes rights over the machine, so who
        # stayed there could enter a lab but never leave it. The price: no network from here on but an own loopback
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        link.raise_loopback()
        namespace = Namespace.create()
    except OSError as error:
        raise FinwaitError(
            f"this user may not make network namespaces ({os.strerror(error.errno or errno.EPERM)})",
            why=refusal(error),
            hint=_way_out(user),
        ) from error
    # AppArmor may let all of that pass and refuse the first thing that needs the rights, which is better known here
    # than in every scenario
    try:
        link.try_veth(namespace)
    finally:
        namespace.close()


def _way_out(user: int) -> str:
    if user != 0:
        return "sudo, with the same command"
    # root without the capabilities: a container
    return "a container that is started with --privileged"


def refusal(error: OSError) -> str:
    """Which setting of the machine is behind a refused namespace.

    Args:
        error: what unshare(2) or the write to ``uid_map`` ended with.
    """
    # unshare(2): a limit that is reached is ENOSPC, whatever forbids says EPERM or EACCES
    for name, value, meaning in _LIMITING if error.errno == errno.ENOSPC else _FORBIDDING:
        try:
            seen = (Path("/proc/sys") / name).read_text().strip()
        except OSError:
            continue
        if seen == value:
            return f"{meaning} (sysctl {name.replace('/', '.')} is {value})"
    if error.errno == errno.ENOSPC:
        return "the limit of sysctl user.max_net_namespaces or user.max_user_namespaces is reached"
    if error.errno == errno.EMFILE:
        return "the process has reached its limit of open files (ulimit -n)"
    if error.errno == errno.EINVAL and threading.active_count() > 1:
        return "the process has several threads already, and such a process cannot enter a user namespace"
    return "a container, a chroot or a security module forbids it"
