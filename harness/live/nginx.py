"""The distribution's nginx as the server of a lab: its own process in the server's namespace, watched by strace.

It ends with the scenario, and with the process that started it, whatever ended that (see ``kernels.leash``).
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from harness.errors import FinwaitError, Unsupported
from harness.live.command import Command, find, installed
from harness.live.endpoint import Endpoint
from harness.program.recording import Recording, step
from harness.program.steps import Call, Enter
from harness.tcp.timing import PROGRAM_LIMIT, SECOND
from harness.tcp.verdict import Due, Evidence, Mismatch
from netns.enter import Namespace

NGINX_HOST = "server"
"""What a request calls its server: with the address, every lab's would have a length of its own."""

_READY = "event method"  # what nginx notes once it listens
_REFUSED = re.compile(r"\b(socket|setsockopt|bind|listen|accept4?)\(\).* failed \(\d+: ")
"""What nginx notes of a call that the kernel under test refused, and ends."""
_FAILED = re.compile(r"\[(?:emerg|alert|crit)\]")
_STRACE = ("-e", "trace=accept4,shutdown,close", "-e", "signal=none")

_CONFIGURATION = """\
daemon off;
# one process, which stays who started it: in a user namespace nobody can become another user
master_process off;
user root;
error_log stderr notice;
pid "{folder}/nginx.pid";
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    lingering_close {lingering};
    keepalive_timeout 0;
    server {{
        listen {listen};
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


class Nginx:
    """nginx, listening; a context manager.

    Args:
        namespace: the server's.
        address: what it listens on.
        port: likewise.
        lingering_close: its directive of that name: on, always or off. There is no keepalive.
        recording: where what it is asked for is written down.
        body: what it answers every request with, whatever that had to say.

    Raises:
        Unsupported: it is not installed.
        Mismatch: the kernel refuses it a socket to listen on.
        FinwaitError: it does not start for another reason.
    """

    def __init__(
        self,
        namespace: Namespace,
        address: str,
        port: int,
        lingering_close: str,
        recording: Recording,
        body: str = "hello",
    ) -> None:
        listen = _authority(address, port)
        self.recording = recording
        self.traced = installed("strace")
        self._stack = ExitStack()
        self._nginx = find("nginx")
        self._configuration = partial(_CONFIGURATION.format, lingering=lingering_close, listen=listen, body=body)
        self._namespace = namespace
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            # not in the run folder: a guest sees it as an ordinary user's of the host, whom nginx, root there, would
            # take the folders in it from
            own = Path(opening.enter_context(TemporaryDirectory(prefix="finwait-nginx-"))).absolute()
            (own / "nginx.conf").write_text(self._configuration(folder=own), encoding="utf-8")
            command: tuple[str, ...] = (self._nginx, "-p", str(own), "-c", str(own / "nginx.conf"))
            descriptors = list[int]()
            if self.traced:
                self._trace, writing = os.pipe()
                opening.callback(os.close, self._trace)
                command = (find("strace"), "-qq", "-o", f"/proc/self/fd/{writing}", *_STRACE, *command)
                descriptors = [writing]
            try:
                program = opening.enter_context(Command(command, self._namespace, tuple(descriptors)))
            finally:
                for each in descriptors:
                    os.close(each)
            try:
                program.wait_for(_READY, PROGRAM_LIMIT)
            except FinwaitError as error:
                if refused := next(filter(_REFUSED.search, program.said), ""):
                    raise _differs("listens", refused) from error
                if failed := next(filter(_FAILED.search, program.said), ""):
                    raise FinwaitError("nginx does not start", why=failed) from error
                raise
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @step(Call)
    def answers(self, client: Endpoint, body: str | None = None) -> bytes:
        """GET, or POST ``body``, on a client's connection; the body of the answer, after which nginx closes."""
        http = HTTPConnection(NGINX_HOST)
        http.sock = client.socket
        http.request("POST" if body else "GET", "/", body)
        return http.getresponse().read()

    @step(Call)
    def ending(self) -> str:
        """How nginx ended the first connection that it accepted: ``shutdown(SHUT_WR)`` or ``close``, as strace saw it.

        Raises:
            Unsupported: there is no strace.
            Mismatch: it did not end it.
        """
        if not self.traced:
            raise Unsupported("strace is not installed", hint="apt-get install strace")
        end, text, found = time.monotonic() + PROGRAM_LIMIT.ns / SECOND.ns, "".join(self._lines), ""
        while not (found := _ending(text)):
            left = end - time.monotonic()
            piece = os.read(self._trace, 65536) if select.select([self._trace], [], [], max(0.0, left))[0] else b""
            if not piece:
                raise _differs(
                    f"ends its connection within {PROGRAM_LIMIT}", f"strace saw: {text.strip() or 'nothing'}"
                )
            self._lines.append(piece.decode(errors="replace"))
            text = "".join(self._lines)
        return found


def _differs(does: str, seen: str, program: str = "nginx") -> Mismatch:
    return Mismatch(Evidence(expected=(Due(f"  {program} {does}"),), observed=f"  {seen}", step=program))


def _authority(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _ending(trace: str) -> str:
    connections = set()
    for line in trace.splitlines():
        call = re.match(r"(\w+)\((\d+)(?:, (\w+))?.*\)\s+= (-?\d+)", line)
        if call is None:
            continue
        name, descriptor, argument, result = call.groups()
        if name == "accept4" and result != "-1":
            connections.add(result)
        elif descriptor in connections:
            return f"{name}({argument})" if argument else name
    return ""


class Curl:
    """curl as the client of a lab.

    Args:
        namespace: the client's.
        port: that it connects from.
        address: of the server that it asks.
        server_port: likewise.
        recording: where what it does is written down.
    """

    def __init__(self, namespace: Namespace, port: int, address: str, server_port: int, recording: Recording) -> None:
        self.recording = recording
        self._namespace = namespace
        url = f"http://{_authority(address, server_port)}/"
        named = ("--header", f"Host: {NGINX_HOST}")
        self._command = (find("curl"), "-sS", *named, "--local-port", str(port), "--output", "/dev/null", url)

    @step(Enter)
    @contextmanager
    def post(self, body: str) -> Iterator[None]:
        """POST while the block runs; curl must finish without an error at its end.

        Raises:
            Mismatch: it is not.
        """
        with Command((*self._command, "--data", body), self._namespace) as curl:
            yield
            status = curl.wait(PROGRAM_LIMIT)
        if status:
            raise _differs("ends with status 0", f"status {status}: {'; '.join(curl.said)}", "curl")
