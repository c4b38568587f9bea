"""A private PostgreSQL for the tests: made from nothing, on loopback, with fsync on.

PostgreSQL refuses to run as root, so it is started as an unprivileged user then. From the shell:

    python3 postgres.py start DIRECTORY     prints the URL to connect to
    python3 postgres.py stop DIRECTORY
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path


LANES = 16
# Ports that were handed out: the server that is to have one may not listen on it yet, or be between a stop and a start.
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel gives to outgoing connections, and of this worker's
    own: each of those that run side by side has a lane.

    A port of that range could be taken by any client between this answer and the server's start.
    """
    lane = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % LANES
    while True:
        port = 10_000 + LANES * secrets.randbelow(22_000 // LANES) + lane
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def program(name: str) -> str:
    """Finds a PostgreSQL program; Debian keeps them out of PATH."""

    def version(path: Path) -> int:
        digits = re.search(r"postgresql/(\d+)", str(path))
        return int(digits.group(1)) if digits else 0

    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=version)
    if installed:
        return str(installed[-1])
    found = shutil.which(name) or shutil.which(name, path="/usr/local/bin:/usr/local/pgsql/bin")
    if found is None:
        raise RuntimeError(f"{name} is missing: install PostgreSQL (Debian: apt-get install postgresql)")
    return found


def unprivileged() -> list[str]:
    """The words to put before a command so that it does not run as root."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    raise RuntimeError("neither the user postgres nor nobody exists: PostgreSQL cannot run as root")


def give_away(path: Path) -> None:
    if os.geteuid() != 0:
        return
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(path, account.pw_uid, account.pw_gid)
        return


class Postgres:
    """One cluster in a directory of its own; `stop` and `start` may alternate."""

    def __init__(self, directory: Path | None = None):
        self.owned = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix="symbolon-pg-"))
        self.data = self.directory / "data"
        self.port_file = self.directory / "port"
        self.port = int(self.port_file.read_text()) if self.port_file.exists() else 0

    def start(self) -> "Postgres":
        if not self.data.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            give_away(self.directory)
            self._run(
                [program("initdb"), "-D", str(self.data), "-U", "symbolon", "-A", "trust", "-E", "UTF8",
                 "--locale=C", "--no-sync"]
            )
            self.port = free_port()
            self.port_file.write_text(str(self.port))
        options = (
            f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories={self.directory} "
            "-c fsync=on -c synchronous_commit=on -c max_connections=200 -c shared_buffers=32MB"
        )
        self._run([program("pg_ctl"), "-D", str(self.data), "-w", "-t", "60",
                   "-l", str(self.directory / "log"), "-o", options, "start"])
        return self

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is what a crash looks like: no farewell to the clients."""
        if (self.data / "postmaster.pid").exists():
            self._run([program("pg_ctl"), "-D", str(self.data), "-w", "-t", "60", "-m", mode, "stop"])

    def remove(self) -> None:
        self.stop("immediate")
        if self.owned:
            shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"postgres://symbolon@127.0.0.1:{self.port}/postgres"

    def _run(self, command: list[str]) -> None:
        # The server inherits these descriptors, so pipes would keep `run` waiting for ever.
        with open(os.devnull, "rb") as nothing, tempfile.TemporaryFile() as output:
            done = subprocess.run(unprivileged() + command, stdin=nothing, stdout=output, stderr=output,
                                  cwd="/", timeout=120, check=False)
            if done.returncode != 0:
                output.seek(0)
                raise RuntimeError(f"{' '.join(command)}\n{output.read().decode(errors='replace')}")


def psql(url: str, statement: str) -> str:
    done = subprocess.run([program("psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement],
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"psql: {statement}\n{done.stderr}")
    return done.stdout


def create_database(url: str) -> str:
    """Makes an empty database beside the one that `url` names; answers its URL."""
    name = f"house_{secrets.token_hex(6)}"
    deadline = time.monotonic() + 60
    while True:
        try:
            psql(url, f"CREATE DATABASE {name}")
            break
        except RuntimeError as error:
            # Two workers that copy the template at once: the second is told to come back.
            if "being accessed by other users" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.3)
    head, question, options = url.partition("?")
    return head.rsplit("/", 1)[0] + "/" + name + question + options


def drop_database(url: str, database_url: str) -> None:
    name = database_url.partition("?")[0].rsplit("/", 1)[1]
    psql(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("start", "stop"):
        print(__doc__, file=sys.stderr)
        return 2
    cluster = Postgres(Path(arguments[1]).resolve())
    if arguments[0] == "start":
        print(cluster.start().url)
    else:
        cluster.stop("immediate")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
