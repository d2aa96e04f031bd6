#!/usr/bin/env python3
"""Writes seeds for the fuzz targets from what the tests have: the scripts of sim/scripts, the golden mails of core, the example configuration.

    fuzz/seeds.py

They go to fuzz/corpus/TARGET, beside what fuzzing finds, and are written anew each time: nothing made by this is committed. What is committed
in fuzz/seeds/TARGET was found by fuzzing, or is of a form that no test has.
"""
import random
import re
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
ROOT = FUZZ.parent
SCRIPTS = ROOT / "sim/scripts"


def unescape(text):
    """Undoes the escapes of `C| ` lines."""
    special = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
    out, at = bytearray(), 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
        elif text[at + 1] == "x":
            out.append(int(text[at + 2 : at + 4], 16))
            at += 4
        else:
            out += special[text[at + 1]]
            at += 2
    return bytes(out)


# What another session does, by the names that the target `session` has for it.
DEEDS = "APPEND _ _ STORE _ EXPUNGE UID COPY MOVE CREATE DELETE RENAME _ SUBSCRIBE _ SELECT".split()


def spoken(line, others=False):
    """What a line of a script sends on the first connection; `others`: and what the target `session` makes of other lines."""
    line = line.removeprefix("A.")
    if line.startswith("include "):
        text = (SCRIPTS / "prelude" / (line.split()[1] + ".txt")).read_text()
        return b"".join(spoken(line, others) for line in text.splitlines())
    if others and line.startswith("time "):
        return b"\xfe\x05"
    if others and re.match(r"[B-Z]\.C[:|] \w+ \w+", line):
        word = line.split()[2]
        return bytes([0xFF, DEEDS.index(word)]) if word in DEEDS else b""
    if line == "C:":
        return b"\r\n"
    if line.startswith("C: "):
        return line[3:].encode() + b"\r\n"
    return unescape(line[3:]) if line.startswith("C| ") else b""


def conversations(others=False):
    """Everything that each script sends, by its name."""
    for path in sorted(SCRIPTS.glob("*.txt")):
        for number, part in enumerate(re.split(r"^== .*$", path.read_text(), flags=re.M)):
            octets = b"".join(spoken(line, others) for line in part.splitlines())
            if octets:
                yield f"{path.stem}-{number}", octets


def frames(octets):
    """The commands of a conversation with their literals in place, each once."""
    at = end = 0
    while (line := octets.find(b"\r\n", end)) >= 0:
        size = re.search(rb"\{(\d{1,5})\+?\}$", octets[end:line])
        end = line + 2
        if size:
            end += int(size[1])
        else:
            yield octets[at:line]
            at = end


class Seeds:
    """One target's folder."""

    def __init__(self, target):
        self.folder = FUZZ / "corpus" / target
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seen = set()

    def add(self, name, octets):
        if octets not in self.seen and len(octets) <= 4096:
            self.seen.add(octets)
            (self.folder / f"test-{name}").write_bytes(octets)

    def add_all(self, many):
        for number, octets in enumerate(sorted(set(many))):
            self.add(number, octets)


def main():
    talks = dict(conversations())
    commands = sorted({frame for octets in talks.values() for frame in frames(octets)})
    golden = ROOT / "core/tests/golden"
    mails = {path.stem: path.read_bytes() for path in sorted(golden.glob("*.eml"))}

    for target, head, said in [
        ("session", b"\0", conversations(others=True)),
        ("frame", b"\0\0\x20\x05", talks.items()),
    ]:
        seeds = Seeds(target)
        for name, octets in said:
            seeds.add(name, head + octets)
    chance = random.Random(1)
    Seeds("history").add_all([chance.randbytes(10 + 5 * events) for events in range(10, 40, 3)])
    Seeds("parse_command").add_all(commands)
    for name, octets in mails.items():
        Seeds("message").add(name, octets)
        head = re.split(rb"(?<=\n)\r?\n", octets)[0]
        Seeds("header").add(name, head + b"\r\n")
        Seeds("response").add(name, b"a/" + name.encode() + b"\nwork\n\n" + octets)

    def words(pattern):
        return [match for command in commands for match in re.findall(pattern, command)]

    subjects = [line for mail in mails.values() for line in re.findall(rb"(?i)^[\w-]+:(.*=\?.*)$", mail, re.M)]
    Seeds("encoded_word").add_all(subjects)
    Seeds("date").add_all([word.strip(b'"') for word in words(rb'"?[ \d]?\d-\w{3}-\d{4}[^"()]*"?')])
    names = words(rb"^\S+ (?:CREATE|DELETE|SELECT|SUBSCRIBE) (?:\{\d+\+?\}\r\n)?\"?([^\" (\r\n]+)")
    Seeds("mailbox_name").add_all(names)
    patterns = words(rb"^\S+ (?:LIST|LSUB) \S+ \"?([^\" ()]+)")
    Seeds("list_pattern").add_all([p + b"\nINBOX/" + n for p in patterns for n in names[:3]])
    sets = words(rb"(?:FETCH|STORE|COPY|MOVE|SEARCH|UID) ([\d:*,]+)")
    Seeds("sequence_set").add_all([b"\xaa\x0e" + s for s in sets])
    keys = words(rb"^\S+ (?:UID )?SEARCH (.+)")
    texts = sorted(mails.values(), key=len)
    one_line = [k for k in keys if b"\n" not in k]
    Seeds("search").add_all([k + b"\n" + texts[n % len(texts)] for n, k in enumerate(one_line)])
    Seeds("sasl").add_all([b"\0tim\0pw", b"tim\0tim\0pw", b"AHRpbQBwdw=="] + words(rb"AUTHENTICATE PLAIN (\S+)"))
    example = (ROOT / "pillarbox.toml").read_bytes()
    Seeds("config").add_all([example, re.sub(rb"(?m)^#(?=[a-z_]+ = )", b"", example)])


if __name__ == "__main__":
    main()
