#!/usr/bin/env python3
"""Shows that the crash test catches faults: plants each one of planted/ into a build and demands that the run complains.

    planted.py [--control-binary B] [--only NAME]

Each patch is applied to a work tree of HEAD of its own, built there, and put through crash.py. Caught is a fault only if
crash.py ends with 1 and says what that fault breaks: another complaint, or a run that could not go on, does not count.
The control binary, which has no fault, goes through the same runs and must draw no complaint.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# One place for all three and for the next time, so that only what the patch touches is built anew.
TARGET = ROOT / "target" / "planted"
TREE = TARGET / "tree"
SHOWN = 4


@dataclass(frozen=True)
class Fault:
    name: str
    run: tuple[str, ...]
    """What crash.py is given."""
    complaint: str
    """What it must then say: a pattern that one of its lines holds."""
    rounds: int
    """How often it is tried: a kill has to hit the gap that the fault opens."""

    @property
    def patch(self) -> Path:
        return HERE / "planted" / f"{self.name}.patch"


KILLS = ("--kills", "6", "--modes", "attach,random")
FAULTS = [
    Fault("mail-before-commit", KILLS, r"^  rest \d+: .*the newest letter's token .* does not work, an older one", 10),
    Fault("retire-without-issue", KILLS, r"^  rest \d+: .*no live token at all after an acknowledged reset", 10),
    # The kernel outlives a killed process and writes what it was given: only the order of the calls shows this one.
    Fault("synchronous-off", ("--sync-order",),
          r"^sync order: \d+ acknowledged resets, [1-9]\d* without a write and a finished sync before the answer", 1),
]


class Failed(Exception):
    pass


def plant_and_build(fault: Fault, binary: Path) -> None:
    """Builds HEAD with the fault; the program is moved to `binary`, so that nobody takes it for a good one."""
    remove_tree()
    git("worktree", "add", "--quiet", "--force", "--detach", str(TREE), "HEAD")
    try:
        applied = subprocess.run(["git", "apply", "--3way", str(fault.patch)], cwd=TREE, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if applied.returncode:
            raise Failed(f"{fault.patch.relative_to(ROOT)} does not apply to HEAD: plant the same fault into the code as it is "
                         f"now and keep it with `git diff --full-index >{fault.patch.relative_to(ROOT)}`\n{applied.stdout}")
        environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
        built = subprocess.run(["cargo", "build", "--quiet", "--locked", "--package", "symbolon"], cwd=TREE, env=environment,
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if built.returncode:
            raise Failed(f"HEAD with {fault.patch.relative_to(ROOT)} does not compile: adapt the patch\n{built.stdout[-4000:]}")
        shutil.move(TARGET / "debug" / "symbolon", binary)
    finally:
        remove_tree()


def remove_tree() -> None:
    subprocess.run(["git", "worktree", "remove", "--force", "--force", str(TREE)], cwd=ROOT,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.rmtree(TREE, ignore_errors=True)


def git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failed(f"git {' '.join(arguments)}: {done.stdout}")


def crash(binary: Path, scratch: Path, run: tuple[str, ...]) -> tuple[int, list[str]]:
    """How crash.py ended, and what it said."""
    process = subprocess.Popen([sys.executable, str(HERE / "crash.py"), "--binary", str(binary), *run],
                               env={**os.environ, "TMPDIR": str(scratch)}, text=True, start_new_session=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said, _ = process.communicate(timeout=900)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed(f"crash.py {' '.join(run)} hangs for 15 minutes") from error
        raise
    return process.returncode, said.splitlines()


def show_caught(fault: Fault, scratch: Path) -> None:
    binary = scratch / fault.name
    began = time.monotonic()
    plant_and_build(fault, binary)
    print(f"{fault.name}: built in {time.monotonic() - began:.0f} s", flush=True)
    said: list[str] = []
    for number in range(1, fault.rounds + 1):
        code, said = crash(binary, scratch, fault.run)
        expected = [line for line in said if re.search(fault.complaint, line)]
        if code == 1 and expected:
            # One broken promise is told in many ways and again at later rests: a few lines of each kind are enough.
            others = [line for line in said if line not in expected and "journal " not in line]
            print(f"{fault.name}: caught by `crash.py {' '.join(fault.run)}`, run {number}, which ended with 1 and said:")
            for line in expected[:SHOWN] + others[:SHOWN] + others[SHOWN:][-1:]:
                print(f"    {line.strip()}")
            hidden = len(expected[SHOWN:]) + len(others[SHOWN:-1])
            print(f"    and {hidden} lines more" if hidden else "    and nothing else", flush=True)
            return
        print(f"{fault.name}: run {number} of {fault.rounds} ended with {code}: {said[-1] if said else 'not a word'}", flush=True)
        if code not in (0, 1) or any("could not go on" in line for line in said):
            break
    raise Failed(f"{fault.name} was not caught: no run said {fault.complaint!r}; the last one said:\n" + "\n".join(said))


def show_clean(binary: Path, scratch: Path) -> None:
    for run in dict.fromkeys(fault.run for fault in FAULTS):
        code, said = crash(binary, scratch, run)
        if code:
            raise Failed(f"the control, which has no fault, draws complaints from `crash.py {' '.join(run)}`:\n" + "\n".join(said))
        print(f"control: `crash.py {' '.join(run)}` ended with 0 and said:\n    {said[-1]}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control-binary", type=Path, default=None)
    parser.add_argument("--only", choices=[fault.name for fault in FAULTS], default=None)
    arguments = parser.parse_args()
    chosen = [fault for fault in FAULTS if arguments.only in (None, fault.name)]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="symbolon-planted-", ignore_cleanup_errors=True) as scratch:
        proofs = [lambda fault=fault: show_caught(fault, Path(scratch)) for fault in chosen]
        if arguments.control_binary:
            proofs.insert(0, lambda: show_clean(arguments.control_binary.resolve(), Path(scratch)))
        for proof in proofs:
            try:
                proof()
            except Failed as error:
                failed += 1
                print(f"FAILED: {error}", flush=True)
    control = "no control" if not arguments.control_binary else "a control"
    print(f"planted: {len(chosen)} faults and {control}, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
