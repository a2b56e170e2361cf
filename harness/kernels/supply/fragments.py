"""The configuration of the kernels we build, as data: what is asked for, since when a tree has it, and why.

Everything that is not named here is off (``allnoconfig``), so the list is also what a kernel under test
consists of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ConfigOption:
    """One kernel configuration option that we ask for.

    Args:
        name: without ``CONFIG_``.
        value: ``y``, ``n``, or a number as the configuration file writes it.
        since: the first kernel version that has the option.
        until: the first version that has it no more.
        required: whether the harness cannot do without it; an optional one that a tree refuses is only
            recorded.
        why: what needs it, shown when it is missing.
    """

    name: str
    value: str = "y"
    since: Version = (0, 0)
    until: Version = (1 << 16, 0)
    required: bool = True
    why: str = ""

    def applies(self, version: Version) -> bool:
        """Whether a tree of this version is expected to have the option."""
        return self.since <= version < self.until

    def line(self) -> str:
        """The option as a configuration file has it."""
        return f"# CONFIG_{self.name} is not set" if self.value == "n" else f"CONFIG_{self.name}={self.value}"


def _all(names: str, why: str, *, required: bool = True) -> tuple[ConfigOption, ...]:
    return tuple(ConfigOption(name, why=why, required=required) for name in names.split())


_BOOT = "booting from the host's folders"
_LAB = "two namespaces and the link between them"
_SEEING = "seeing what the kernel under test does"
_ROUTER = "a router between two kernels"
_USERLAND = "an ordinary C library and Python"

VIRTUAL_UML: tuple[ConfigOption, ...] = (
    ConfigOption("EXPERT", why="options that are otherwise decided for us"),
    ConfigOption("64BIT", why="it runs the host's programs"),
    ConfigOption("MODULES", "n", why="one binary that holds all it needs"),
    ConfigOption("SMP", "n", required=False, why="time travel has one processor"),
    ConfigOption("UML_TIME_TRAVEL_SUPPORT", why="a clock that stands still while code runs"),
    ConfigOption("UML_RANDOM", "n", required=False, why="the host's entropy would make two runs differ"),
    ConfigOption("HZ", "250", why="timers of the same grain as a distribution's kernel"),
    *_all("HIGH_RES_TIMERS NO_HZ_IDLE", "idle time that is skipped at once"),
    *_all("HOSTFS TMPFS PROC_FS PROC_SYSCTL SYSFS DEVTMPFS BINFMT_ELF BINFMT_SCRIPT", _BOOT),
    *_all("PRINTK STDERR_CONSOLE NULL_CHAN UNIX98_PTYS", "a console on the host's standard output"),
    # 5.10's um drivers do not link without the block layer.
    ConfigOption("BLOCK", until=(5, 11), why="5.10 does not link without it"),
    *_all("MULTIUSER FUTEX EPOLL SIGNALFD TIMERFD EVENTFD SHMEM POSIX_TIMERS FILE_LOCKING", _USERLAND),
    *_all("ADVISE_SYSCALLS MEMBARRIER INOTIFY_USER FHANDLE AIO", _USERLAND, required=False),
    *_all("NET UNIX INET IPV6 PACKET NAMESPACES NET_NS", _LAB),
    *_all("USER_NS PID_NS UTS_NS SYSVIPC IPC_NS", _LAB, required=False),
    *_all("NETDEVICES NET_CORE VETH TUN", _LAB),
    *_all("NET_SCHED NET_SCH_NETEM NET_SCH_FQ", "a path with delay and loss"),
    *_all("NET_CLS_ACT NET_CLS_U32 NET_ACT_MIRRED NET_SCH_INGRESS", _ROUTER),
    *_all("NETFILTER NETFILTER_ADVANCED NF_CONNTRACK NF_CT_NETLINK NF_NAT", _ROUTER),
    *_all("NF_TABLES NF_TABLES_INET NF_TABLES_IPV4 NF_TABLES_IPV6 NFT_CT NFT_NAT NFT_MASQ NFT_REJECT", _ROUTER),
    *_all("NFT_COUNTER NFT_LIMIT NFT_LOG NFT_REDIR NFT_SYNPROXY", _ROUTER, required=False),
    *_all("NF_CONNTRACK_PROCFS NF_CONNTRACK_EVENTS NF_CONNTRACK_MARK NF_CONNTRACK_ZONES", _ROUTER, required=False),
    *_all("INET_DIAG INET_TCP_DIAG INET_DIAG_DESTROY", _SEEING),
    *_all(
        "PACKET_DIAG UNIX_DIAG KALLSYMS BUG DEBUG_BUGVERBOSE PRINTK_TIME IKCONFIG IKCONFIG_PROC",
        _SEEING,
        required=False,
    ),
    *_all("FTRACE ENABLE_DEFAULT_TRACERS", "the tracepoints of the socket layer"),
    *_all("MCONSOLE MAGIC_SYSRQ", "asking a hung guest where it hangs", required=False),
    *_all("CRYPTO TCP_MD5SIG", "RFC 2385"),
    *_all(
        "CRYPTO_MD5 CRYPTO_HMAC CRYPTO_SHA1 CRYPTO_CMAC CRYPTO_AES",
        "the algorithms of RFC 5926",
        required=False,
    ),
    ConfigOption("TCP_AO", since=(6, 7), why="RFC 5925"),
    ConfigOption("SYN_COOKIES", why="RFC 4987"),
    ConfigOption("MPTCP", why="RFC 8684"),
    ConfigOption("MPTCP_IPV6", required=False, why="RFC 8684"),
    *_all("TCP_CONG_ADVANCED TCP_CONG_CUBIC TCP_CONG_BBR TCP_CONG_DCTCP", "congestion control", required=False),
)

# Kconfig takes a value from a file only for a symbol that has a prompt, and arch/um gives HZ none. A second
# definition of a symbol adds to the first, so a copy of the tree's top Kconfig ends with this and the tree
# itself stays as it is.
HZ_PROMPT = """
config HZ
\tint "Timer frequency"
\tdefault 250
"""

_SETTING = re.compile(r"^CONFIG_(\w+)=(.*)$|^# CONFIG_(\w+) is not set$")


def fragment(options: Iterable[ConfigOption], version: Version) -> str:
    """The configuration fragment for a tree of this version, one option a line."""
    return "".join(option.line() + "\n" for option in options if option.applies(version))


def parse_config(text: str) -> dict[str, str]:
    """Read a ``.config``: option name without ``CONFIG_`` to its value, ``n`` where it is off."""
    settings: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SETTING.match(line):
            settings[match[1] or match[3]] = match[2] if match[1] else "n"
    return settings


def missing(options: Iterable[ConfigOption], version: Version, config: Mapping[str, str]) -> list[ConfigOption]:
    """The options that apply to this version and that the final configuration does not have as asked."""
    return [o for o in options if o.applies(version) and config.get(o.name, "n") != o.value]
