"""The right to make namespaces: taken by an own user namespace, or refused in one line that names the setting."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netns import link, privilege
from netns.enter import Namespace
from netns.errors import Unsupported

Python = Callable[[str], "subprocess.CompletedProcess[str]"]

MAKE_A_LAB = """
from netns import privilege
from netns.lab import Lab
assert not privilege.has_capabilities()
print(privilege.ensure())
assert privilege.has_capabilities()
with Lab() as lab:
    print(lab.kernel.inode, dict(lab.not_pinned))
"""

# In a user namespace of its own a setting can be closed that belongs to the whole machine elsewhere.
FORBID = """
import os, sys
from pathlib import Path
from netns import enter, privilege
user, group = os.getuid(), os.getgid()
enter.unshare(enter.CLONE_NEWUSER)
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"0 {user} 1")
Path("/proc/self/gid_map").write_text(f"0 {group} 1")
assert enter.in_user_namespace()
Path("/proc/sys/user/SETTING").write_text("0")
lost = "-sys_admin,-net_admin,-net_raw"
code = '''
from netns import privilege
from netns.errors import FinwaitError
try:
    privilege.ensure()
except FinwaitError as error:
    print(error)
'''
os.execvp("setpriv", ["setpriv", "--bounding-set", lost, "--inh-caps", lost, "--", sys.executable, "-c", code])
"""


def test_a_process_without_rights_gets_them_in_a_user_namespace(python_without_rights: Python) -> None:
    done = python_without_rights(MAKE_A_LAB)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "user namespace"


def test_the_user_does_not_pass_for_root_afterwards(python_without_rights: Python) -> None:
    done = python_without_rights(
        "import getpass, os\n"
        "from netns import privilege\n"
        "for name in ('LOGNAME', 'USER', 'LNAME', 'USERNAME'):\n"
        "    os.environ.pop(name, None)\n"
        "user = os.getuid()\n"
        "privilege.ensure()\n"
        "print(getpass.getuser() == f'uid{user}')\n"
        "os.environ['USER'] = 'somebody'\n"
        "os.environ.pop('LOGNAME')\n"
        "print(getpass.getuser())\n"
    )
    assert done.stdout.split() == ["True", "somebody"], done.stderr


def test_an_ordinary_user_gets_a_lab_with_every_sysctl_pinned(python_of_nobody: Python) -> None:
    done = python_of_nobody(MAKE_A_LAB)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "user namespace"
    assert done.stdout.rstrip().endswith("{}")


@pytest.mark.usefixtures("own_user_namespace")
@pytest.mark.parametrize("setting", ["max_user_namespaces", "max_net_namespaces"])
def test_a_refusal_names_the_setting_in_one_line(environment: dict[str, str], setting: str) -> None:
    before = Path("/proc/sys/user", setting).read_text()
    done = subprocess.run(
        [sys.executable, "-c", FORBID.replace("SETTING", setting)],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = done.stdout.rstrip("\n")
    assert "\n" not in line
    assert line.startswith("this user may not make network namespaces (No space left on device); ")
    assert f"(sysctl user.{setting} is 0)" in line
    assert Path("/proc/sys/user", setting).read_text() == before, "the test must not reach outside its namespace"


def test_a_second_thread_is_named_as_what_stands_in_the_way(python_without_rights: Python) -> None:
    done = python_without_rights(
        "import threading\n"
        "from netns import privilege\n"
        "done = threading.Event()\n"
        "threading.Thread(target=done.wait).start()\n"
        "try:\n"
        "    privilege.ensure()\n"
        "except privilege.FinwaitError as error:\n"
        "    print(error)\n"
        "done.set()\n"
    )
    assert "the process has several threads already" in done.stdout


def test_what_is_allowed_is_tried_up_to_a_veth(python_without_rights: Python) -> None:
    done = python_without_rights(
        "import errno\n"
        "from pyroute2.netlink.exceptions import NetlinkError\n"
        "from netns import link, privilege\n"
        "def refuse(*_, **__):\n"
        "    raise NetlinkError(errno.EPERM, 'Operation not permitted')\n"
        "link.IPRoute.link = refuse\n"
        "try:\n"
        "    privilege.ensure()\n"
        "except privilege.FinwaitError as error:\n"
        "    print(error)\n"
    )
    assert "kernel.apparmor_restrict_unprivileged_userns" in done.stdout
    assert done.stdout.rstrip().endswith("try: sudo, with the same command")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "user.max_net_namespaces"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EPERM, "a container, a chroot or a security module"),
    ],
)
def test_a_refusal_without_a_setting_is_explained_by_its_errno(number: int, text: str) -> None:
    assert text in privilege.refusal(OSError(number, os.strerror(number)))


def test_a_veth_can_be_tried_again_and_again() -> None:
    namespace = Namespace.create()
    try:
        link.try_veth(namespace)
        with pytest.raises(Unsupported, match="File exists"):
            link.try_veth(namespace)
    finally:
        namespace.close()
