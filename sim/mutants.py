#!/usr/bin/env python3
"""What `cargo mutants` can think of in files of the core, tried without building it again for each: says which of it no test finds.

    sim/mutants.py [--again | --survivors] [--since REVISION] FILE...

The changes are put into one copy, each behind a number (`sim/switch.py`). What was found is kept in target/mutants, so that a run which was broken off
goes on; `--again` begins anew with what is committed, and `--survivors` tries on that what no test found before; `--since` leaves out lines that have
not changed since then. Survivors are to be read: each wants a test, or is the same program.
"""
import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import faults
import switch

FOLDER = faults.ROOT / "target/mutants"
COPY, DONE, DIFF = FOLDER / "copy", FOLDER / "done.json", FOLDER / "since.diff"
# Seconds until a test program stands still, seconds of computing more than it needs as it is, and what it may hold: a change may make it wait or go
# on for ever, or grow.
STILL, MORE, MEMORY = 120, 10, 4 << 30
# What is built has a folder of its own: programs of the faults' copy would have the same names.
ENVIRONMENT = faults.ENVIRONMENT | {"CARGO_TARGET_DIR": str(FOLDER / "target"), "PILLARBOX_SEEDS": os.environ.get("PILLARBOX_SEEDS", "100")}
# What is said of a change that is no program.
REFUSED = "does not compile"
# The test programs, in the order they are tried.
UNIT, TOGETHER = [("core", "--lib")], [("sim", f"--test={name}") for name in "mirror scripts by_hand limits deadlines store_errors silent list pages search replay".split()]


def mutants(files, since):
    """What can be changed in these files, as faults; and what is said of each."""
    command = ["cargo", "mutants", "--list", "--json", "-p", "pillarbox-core"]
    if since:
        with DIFF.open("w") as diff:
            subprocess.run(["git", "diff", since, "--", "core"], cwd=COPY, check=True, stdout=diff)
        command.append(f"--in-diff={DIFF}")
    lists = [subprocess.run([*command, "-f", file], cwd=COPY, check=True, stdout=subprocess.PIPE, text=True).stdout for file in files]
    # Nothing is said where nothing was changed.
    found = [mutant for said in lists for mutant in json.loads(said or "[]")]
    faults, names = [], {}
    for number, mutant in enumerate(found, 1):
        text = (COPY / mutant["file"]).read_text()
        start, end = (offset(text, mutant["span"][edge]) for edge in ("start", "end"))
        faults.append(switch.Fault(number, mutant["file"], start, end, mutant["replacement"]))
        names[number] = mutant["name"]
    return faults, names


def offset(text, place):
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: place["line"] - 1]) + place["column"] - 1


def build(programs):
    """Where each program is."""
    paths = []
    for crate, program in programs:
        command = ["cargo", "test", "-q", "-p", f"pillarbox-{crate}", program, "--no-run", "--message-format=json"]
        done = subprocess.run(command, cwd=COPY, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        paths += [(COPY / crate, message["executable"]) for message in said if message.get("executable") and message["profile"]["test"]]
    return paths


def caught_by(programs, number):
    """The first program that does not pass with this change."""
    for folder, path, most in programs:
        passed = run(folder, path, most, number)
        if passed is not True:
            return Path(path).name.split("-")[0] if passed is False else "no end"
    return None


def run(folder, path, most, number):
    """Whether a program passes with this change; `None`: it does not end."""

    def bounds():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))

    options = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "preexec_fn": bounds}
    try:
        code = subprocess.run([path, "-q"], env=ENVIRONMENT | {"PILLARBOX_FAULT": str(number)}, timeout=STILL, **options).returncode
        return None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code == 0
    except subprocess.TimeoutExpired:
        return None


def measured(programs):
    """The programs with the seconds of computing that each may take. All pass while nothing is changed."""
    found = []
    for folder, path in programs:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        if run(folder, path, resource.RLIM_INFINITY, 0) is not True:
            sys.exit(f"a test fails without any change: {path}")
        took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        found.append((folder, path, int(3 * took) + MORE))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="files of the core, or patterns of them")
    parser.add_argument("--again", action="store_true", help="forget what an earlier run found; try what is committed now")
    parser.add_argument("--survivors", action="store_true", help="of what an earlier run tried, try again what no test found, on what is committed now")
    parser.add_argument("--since", metavar="REVISION", help="leave out lines that have not changed since then")
    options = parser.parse_args()
    if options.again or not COPY.exists():
        shutil.rmtree(COPY, ignore_errors=True)
        DONE.unlink(missing_ok=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", str(faults.ROOT), str(COPY)], check=True)
    subprocess.run(["git", "checkout", "-q", "."], cwd=COPY, check=True)
    done = json.loads(DONE.read_text()) if DONE.exists() else {}
    if options.survivors:
        subprocess.run(["git", "fetch", "-q", "origin", "HEAD"], cwd=COPY, check=True)
        subprocess.run(["git", "reset", "-q", "--hard", "FETCH_HEAD"], cwd=COPY, check=True)
        done = {name: found for name, found in done.items() if found}
    chosen, names = mutants(options.files, options.since)
    left = switch.put(COPY, [fault for fault in chosen if done.get(names[fault.number]) != REFUSED], ENVIRONMENT)
    done |= {names[fault.number]: REFUSED for fault in left}
    together, unit = measured(build(TOGETHER)), measured(build(UNIT))
    begun = time.monotonic()
    for fault in chosen:
        name = names[fault.number]
        if name not in done:
            alone = not any(room in fault.path for room in ("/session/", "/command/"))
            done[name] = caught_by(unit + together if alone else together + unit, fault.number)
            DONE.write_text(json.dumps(done, indent=1))
            print(f"{done[name] or 'SURVIVED'}: {name}", flush=True)
    summary(chosen, names, done, time.monotonic() - begun)


def summary(chosen, names, done, seconds):
    for path in sorted({fault.path for fault in chosen}):
        found = [done[names[fault.number]] for fault in chosen if fault.path == path]
        refused, survived = found.count(REFUSED), found.count(None)
        print(f"| `{path}` | {len(found)} | {len(found) - refused - survived} | {refused} | {survived} |")
    print(f"{seconds:.0f} s")


if __name__ == "__main__":
    main()
