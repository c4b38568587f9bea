#!/usr/bin/env python3
"""Start-up time, idle memory and size of a release binary: medians of five starts on a fresh data dir.

    cargo build --release && python3 bench/footprint.py target/release/symbolon
"""

import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

STARTS = 5
PATIENCE_S = 30


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def start_once(binary: str) -> tuple[float, int]:
    """Seconds until ready, and kibibytes resident two seconds later."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        server = subprocess.Popen(
            [binary, "serve", "--data-dir", f"{folder}/data", "--listen", "127.0.0.1:18931", "--listen-ops", "off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not ready("http://127.0.0.1:18931"):
                if server.poll() is not None or time.monotonic() - began > PATIENCE_S:
                    raise RuntimeError("the server does not come up")
                time.sleep(0.001)
            seconds = time.monotonic() - began
            time.sleep(2)
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
            return seconds, int(resident.split()[1])
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE_S)


def main() -> None:
    binary = sys.argv[1]
    starts = [start_once(binary) for _ in range(STARTS)]
    print(f"start to ready: {statistics.median(seconds for seconds, _ in starts) * 1000:.0f} ms")
    print(f"idle memory: {statistics.median(resident for _, resident in starts) / 1024:.1f} MiB")
    print(f"binary: {pathlib.Path(binary).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
