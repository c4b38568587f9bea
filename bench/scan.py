#!/usr/bin/env python3
"""`symbolon token scan` against ripgrep with the equivalent pattern, in turn on one tree: MB/s and their ratio.

    cargo build --release && python3 bench/scan.py target/release/symbolon [FOLDER]

Without a FOLDER a tree is made from a seed: 12 000 files of source-like text, one large file, 100 tokens in them.
Both read everything (`rg -uuu -a`) from the page cache. ripgrep does not compute the check characters, so it finds
also what only looks like a token; the scanner must find the planted ones, all of them and no others.
"""

import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

ROUNDS = 7
FILES, FILE_BYTES, LARGE_BYTES, TOKENS = 12_000, 32 * 1024, 128 * 1024 * 1024, 100
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# The exit code of a scan that found tokens (docs/leaks.md).
FOUND = 3
PATTERN = "sbn[0-9A-Za-z]{27}"


def token(rng: random.Random) -> str:
    """A text of a security token's format: contract.md's, with its check characters."""
    body = "sbn" + "".join(rng.choice(DIGITS) for _ in range(22))
    check = zlib.crc32(body.encode()) % 62**5
    return body + "".join(DIGITS[check // 62**place % 62] for place in range(4, -1, -1))


def settle(folder: pathlib.Path) -> None:
    rng = random.Random(5)
    words = ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz_") for _ in range(rng.randint(2, 11))) for _ in range(4000)]
    ends = [" ", " ", " ", "(", ") ", " = ", ";\n", ",\n    ", ".", " {\n"]
    def text(size: int) -> str:
        made, length = [], 0
        while length < size:
            made += [rng.choice(words), rng.choice(ends)]
            length += len(made[-1]) + len(made[-2])
        return "".join(made)
    blocks = [text(FILE_BYTES) for _ in range(256)]
    with_token = set(rng.sample(range(FILES), TOKENS - 1))
    for number in range(FILES):
        place = folder / f"{number % 40}" / f"{number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        body = blocks[rng.randrange(len(blocks))]
        if number in with_token:
            at = rng.randrange(len(body))
            body = f'{body[:at]} "{token(rng)}" {body[at:]}'
        (place / f"{number}.rs").write_text(body)
    with open(folder / "large.log", "w") as large:
        written = 0
        while written < LARGE_BYTES:
            written += large.write(blocks[rng.randrange(len(blocks))])
        large.write(f"\npassword {token(rng)}\n")


def timed(command: list[str]) -> tuple[float, str]:
    began = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    # ripgrep: nothing found; token scan: tokens found.
    if ended.returncode not in (0, 1, FOUND):
        raise RuntimeError(f"{command[0]}: {ended.stderr}")
    return seconds, ended.stdout


def measure(binary: str, folder: str, planted: int | None) -> None:
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names) / 1e6
    ours, theirs = [binary, "token", "scan", folder], ["rg", "-uuu", "-a", "-n", PATTERN, folder]
    found = len(timed(ours)[1].splitlines())
    timed(theirs)
    if planted is not None and found != planted:
        raise RuntimeError(f"{planted} tokens were planted, and {found} found")
    rounds = [(size / timed(ours)[0], size / timed(theirs)[0]) for _ in range(ROUNDS)]
    ratios = [scanner / ripgrep for scanner, ripgrep in rounds]
    print(f"{size:.0f} MB, {found} tokens found, {ROUNDS} rounds")
    print(f"token scan: {statistics.median(rate for rate, _ in rounds):.0f} MB/s")
    print(f"ripgrep: {statistics.median(rate for _, rate in rounds):.0f} MB/s")
    print(f"token scan / ripgrep: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


def main() -> None:
    if shutil.which("rg") is None:
        sys.exit("ripgrep is missing; install it: sudo apt-get install ripgrep")
    if len(sys.argv) > 2:
        measure(sys.argv[1], sys.argv[2], None)
        return
    with tempfile.TemporaryDirectory(dir=".") as folder:
        settle(pathlib.Path(folder))
        measure(sys.argv[1], folder, TOKENS)


if __name__ == "__main__":
    main()
