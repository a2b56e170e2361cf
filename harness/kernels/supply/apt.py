"""An apt of its own, which leaves the system's alone: where packages come from, and how apt is run.

Works as an ordinary user. Indexes are checked against a keyring by apt itself (apt-secure(8)).
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache, plain_error
from harness.process import Ended, run_to_end

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
QUICK_LIMIT = 60.0
FETCH_LIMIT = 1800.0
_TARGETS = "$(REPO_URI)|$(RELEASE)|$(ORIGIN)"
# What of the system's settings a download needs: proxies, and leave to use a snapshot that is out of date.
_WANTED = re.compile(r"Acquire::(http|https|Check-Valid-Until|Check-Date|Retries)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from.

    Args:
        mirror: the URI of a Debian mirror, as it stands in sources.list(5).
        security: the same for suites whose name ends in ``-security``; empty when there is none.
        keyring: what the indexes must be signed with.
        insecure: take indexes without looking at their signature. Never the default.
        settings: lines of apt.conf(5) for the download itself, such as a proxy.
    """

    mirror: str
    security: str = ""
    keyring: Path = KEYRING
    insecure: bool = False
    settings: tuple[str, ...] = ()

    @classmethod
    def of_system(cls) -> Source:
        """The mirror that this machine's apt uses.

        Raises:
            FinwaitError: there is no apt, or it has no Debian mirror.
        """
        targets = _ask("apt-get", "indextargets", "--format", _TARGETS, "Created-By: Packages")
        rows = [row.split("|") for row in targets.lines if row.count("|") == 2]
        debian = [(uri, suite) for uri, suite, origin in rows if origin in ("Debian", "")]
        security = [uri for uri, suite in debian if _is_security(uri, suite)]
        plain = [uri for uri, suite in debian if not _is_security(uri, suite)]
        if not plain:
            raise FinwaitError(
                "apt on this machine has no Debian mirror",
                hint="name one with --mirror, or as mirror = ... in " + str(configuration_file()),
            )
        dump = _ask("apt-config", "dump", "Acquire").lines
        settings = tuple(line for line in dump if _WANTED.match(line) and not line.endswith('"";'))
        return cls(plain[0], security[0] if security else "", settings=settings)

    @classmethod
    def configured(
        cls, *, mirror: str = "", security: str = "", keyring: Path | None = None, insecure: bool = False
    ) -> Source:
        """What was asked for, else what the user's configuration file says, else what the system's apt has.

        Raises:
            FinwaitError: the file cannot be read as what it should be, or there is no mirror at all.
        """
        stored = _configuration()
        mirror = mirror or stored.get("mirror", "")
        base = cls(mirror) if mirror else cls.of_system()
        ring = keyring or (Path(stored["keyring"]) if "keyring" in stored else base.keyring)
        return replace(
            base,
            security=security or stored.get("security", "") or base.security,
            keyring=ring.expanduser(),
            insecure=insecure,
        )

    def has(self, suite: str) -> bool:
        """Whether a mirror for that suite is known."""
        return bool(self.security) or not suite.endswith("-security")

    def uri(self, suite: str) -> str:
        """The mirror that has a suite.

        Raises:
            FinwaitError: it is a security suite and no mirror for those is known.
        """
        if not self.has(suite):
            raise FinwaitError(
                f"no mirror is known for {suite}",
                hint="name one with --security-mirror, or as security = ... in " + str(configuration_file()),
            )
        return self.security if suite.endswith("-security") else self.mirror


def _is_security(uri: str, suite: str) -> bool:
    return suite.endswith("-security") or uri.rstrip("/").endswith("-security")


def configuration_file() -> Path:
    """``$XDG_CONFIG_HOME/finwait/source.toml``, by default below ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "finwait" / "source.toml"


def _configuration() -> dict[str, str]:
    file = configuration_file()
    try:
        stored = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise FinwaitError(f"cannot read {file}", why=str(error)) from error
    wrong = [key for key, value in stored.items() if key not in _KEYS or not isinstance(value, str)]
    if wrong:
        raise FinwaitError(f"{file}: cannot use {wrong[0]!r}", hint="the keys " + ", ".join(_KEYS) + ", each a string")
    return stored


_KEYS = ("mirror", "security", "keyring")


class Apt:
    """apt for one suite of one source, with its state in the cache."""

    def __init__(self, source: Source, suite: str, cache: Cache) -> None:
        self.source, self.suite, self.cache = source, suite, cache
        uri = source.uri(suite)
        if re.search(r"[^\w.+-]", suite) or re.search(r"\s", uri):
            raise FinwaitError(f"cannot use suite {suite!r} of mirror {uri!r}", why="neither may contain a space")
        identity = repr((uri, source.keyring, source.insecure, source.settings))
        self.name = f"{suite}-{sha256(identity.encode()).hexdigest()[:12]}"
        self.folder = cache.root / "apt" / self.name

    def run(self, *argv: str, cwd: Path | None = None, limit: float = FETCH_LIMIT) -> Ended:
        """Run an apt command with this configuration; its output is in English. The caller holds the lock."""
        self._write()
        return run_to_end(_found(argv), limit=limit, cwd=cwd or self.folder, env=self.environment())

    def environment(self) -> dict[str, str]:
        """What makes any of apt's programs use this configuration."""
        return {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}

    def _write(self) -> None:
        folder = self.folder
        if '"' in str(folder):
            raise FinwaitError(f"cannot use the cache {folder}", why="apt.conf cannot contain a quotation mark")
        try:
            for name in ("lists/partial", "archives/partial", "empty"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # a proxy's setting may hold a password
            (folder / "status").touch()
            (folder / "sources.list").write_text(
                f"deb [{self._trust()}] {self.source.uri(self.suite)} {self.suite} main\n"
            )
            (folder / "apt.conf").write_text("\n".join((*_settings(folder), *self.source.settings, "")))
        except OSError as error:
            raise plain_error(error, self.cache.root) from error

    def _trust(self) -> str:
        if self.source.insecure:
            return "trusted=yes"
        ring = self.source.keyring
        if not os.access(ring, os.R_OK):
            raise FinwaitError(
                f"cannot read the keyring {ring}",
                hint="install debian-archive-keyring, or name another with --keyring",
            )
        if re.search(r"[\s,\[\]]", str(ring)):
            raise FinwaitError(
                f"cannot use the keyring {ring}", why="apt allows no blank, comma or bracket in its path"
            )
        return f"signed-by={ring}"


def _settings(folder: Path) -> tuple[str, ...]:
    """apt.conf(5) without the system's: APT_CONFIG is read before the parts, which are emptied here."""
    empty = folder / "empty"
    return (
        'Dir::Etc::main "/dev/null";',
        f'Dir::Etc::parts "{empty}";',
        f'Dir::Etc::sourcelist "{folder}/sources.list";',
        f'Dir::Etc::sourceparts "{empty}";',
        'Dir::Etc::preferences "/dev/null";',
        f'Dir::Etc::preferencesparts "{empty}";',
        f'Dir::State "{folder}";',
        f'Dir::State::status "{folder}/status";',
        f'Dir::Cache "{folder}";',
        f'Dir::Log "{folder}";',
        'APT::Sandbox::User "";',
        'Acquire::Languages "none";',
    )


def _found(argv: tuple[str, ...]) -> tuple[str, ...]:
    if shutil.which(argv[0]) is None:
        raise FinwaitError(f"there is no {argv[0]} on this machine", hint="name a kernel by its path instead")
    return argv


def _ask(*argv: str) -> Ended:
    ended = run_to_end(_found(argv), limit=QUICK_LIMIT, cwd=Path("/"), env={**os.environ, "LC_ALL": "C"})
    if ended.status != 0:
        raise FinwaitError(f"{argv[0]} does not work here", why=" ".join(ended.lines[-1:]))
    return ended
