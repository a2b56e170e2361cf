#!/bin/sh
# Makes .venv in the checkout: a virtual environment with finwait (editable) and what its tests need.
#
#   sh setup.sh               make it, unless it is there and fits; several at once wait for one another
#   sh setup.sh --hand-back   after sudo: give what root made in the caller's checkout to the caller
#
# PYTHON names the interpreter to make it with (default: python3). Everything is reached by relative paths and as
# `.venv/bin/python -m ...`, so the checkout's path may hold a space.
set -u
cd -- "$(dirname -- "$0")" || exit 2

fail() { # one line: what, why, what to try
    printf 'finwait: %s\n' "$1" >&2
    exit 2
}

hand_back() {
    [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ "$(stat -c %u .)" = "$SUDO_UID" ] || return 0
    find . -xdev -name .git -prune -o -uid 0 -exec chown -h "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" {} +
}

python_is() { # the interpreter's identity; it changes with an upgrade that pulls the libraries from under a .venv
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)' 2>/dev/null
}

stamp() { # what a finished .venv was made from
    printf '%s\n' "$(pwd -P)" "$(cksum <pyproject.toml)" "$(cksum <setup.sh)" "$1"
}

fits() {
    [ -f .venv/stamp ] && made_by=$(python_is .venv/bin/python) || return 1
    [ -z "${PYTHON:-}" ] || [ "$made_by" = "$(python_is "$PYTHON")" ] || return 1
    [ "$(cat .venv/stamp)" = "$(stamp "$made_by")" ]
}

check_python() {
    python_is "$python" >/dev/null ||
        fail "there is no working $python; try: sudo apt-get install python3 python3-venv, or make PYTHON=/path/to/python3"
    least=$(sed -n 's/^requires-python *= *">=\([0-9.]*\)".*/\1/p' pyproject.toml)
    "$python" -c 'import sys; sys.exit(sys.version_info < tuple(map(int, sys.argv[1].split("."))))' "$least" ||
        fail "$python is Python $("$python" -c 'import platform; print(platform.python_version())'), and finwait needs $least or newer; try: make PYTHON=/path/to/python$least"
}

check_venv() {
    # Debian and Ubuntu keep ensurepip in a package of its own
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null ||
        fail "$python cannot make virtual environments (no ensurepip); try: your system's package of Python's venv module"
    [ "$(id -u)" = 0 ] ||
        fail "$python cannot make virtual environments (no ensurepip); try: sudo apt-get install -y $package"
    echo "finwait: installing $package"
    said=$(apt_get update && apt_get install -y --no-install-recommends "$package") ||
        fail "$package could not be installed: $(printf '%s\n' "$said" | grep -m1 '^E:'); try: check the network, then apt-get install -y $package"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python still has no ensurepip after the installation of $package; try: make PYTHON=/usr/bin/python3"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null 2>&1
}

explain() { # the one line behind pip's many
    if grep -q 'No space left on device' .venv/setup.log; then
        fail "no space left for .venv; try: make room below $(pwd -P)"
    elif grep -qE 'NameResolution|name resolution|establish a new connection|unreachable|timed out|ProxyError|SSLError|RemoteDisconnected' .venv/setup.log; then
        fail "the Python packages could not be fetched: the package index cannot be reached; try: check the network, or PIP_INDEX_URL or PIP_FIND_LINKS for an index of your own (pip's output: .venv/setup.log)"
    fi
    fail "the Python packages could not be installed: $(grep -m1 -i 'error' .venv/setup.log || echo 'pip was killed'); try: read .venv/setup.log, then make again"
}

make_venv() {
    python=${PYTHON:-python3}
    check_python
    check_venv
    echo "finwait: setting up .venv (about a minute, once)"
    # the stamp first: whatever is killed from here on leaves a .venv that nobody trusts
    rm -f .venv/stamp && rm -rf .venv && mkdir .venv 2>/dev/null ||
        fail "$(pwd -P)/.venv cannot be written: it or the checkout belongs to somebody else; try: sudo rm -r .venv, or a checkout of your own"
    unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_USER
    "$python" -m venv .venv >.venv/setup.log 2>&1 &&
        .venv/bin/python -m pip --disable-pip-version-check install --no-input --retries 3 -e '.[dev]' \
            >>.venv/setup.log 2>&1 </dev/null || explain
    stamp "$(python_is .venv/bin/python)" >.venv/stamp.new && mv .venv/stamp.new .venv/stamp || fail ".venv/stamp cannot be written"
}

case ${1:-} in
    --hand-back) hand_back; exit ;;
    '') ;;
    *) fail "unknown argument $1; try: sh setup.sh, or sh setup.sh --hand-back" ;;
esac

trap hand_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if command -v flock >/dev/null; then
    # the script is its own lock file; pip inherits the lock, so a killed script's pip is waited for as well
    exec 9<setup.sh
    flock -n 9 || { echo "finwait: waiting for another make to set up .venv"; flock 9; }
fi
fits || make_venv
