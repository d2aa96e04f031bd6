#!/usr/bin/env python3
"""The test of the tests: puts one fault at a time into a copy of the project and says which test found it.

    sim/faults.py [--only WORD] [--table FILE]

Each fault is a small change that a tired person could make. A fault that no test finds, or whose place is not there any more, is a failure.
"""
import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = [
    ["cargo", "test", "-q", "-p", "pillarbox-core", "-p", "pillarbox-sim", "--no-fail-fast"],
    ["cargo", "test", "-q", "-p", "pillarbox-store", "--features", "conformance", "--test", "backends", "--test", "kill", "--test", "crash", "--no-fail-fast"],
    ["cargo", "test", "-q", "-p", "pillarbox-driver", "--no-fail-fast"],
]

SESSION, VIEW, FRAME = "core/src/session/", "core/src/view/mod.rs", "core/src/wire/frame.rs"
OPS, COMMAND = "store/src/ops/", "core/src/command/"

# What goes wrong, where, what stands there, what is put in its place.
FAULTS = [
    ("EXPUNGE is told during FETCH by number", "core/src/schedule.rs", 'row("FETCH", Selected, NoExpunge)', 'row("FETCH", Selected, All)'),
    ("EXPUNGE is told during STORE by number", "core/src/schedule.rs", 'row("STORE", Selected, NoExpunge)', 'row("STORE", Selected, All)'),
    ("EXPUNGE is told during SEARCH by number", "core/src/schedule.rs", 'row("SEARCH", Selected, NoExpunge)', 'row("SEARCH", Selected, All)'),
    ("NOOP tells nothing new", "core/src/schedule.rs", 'row("NOOP", Any, Fresh)', 'row("NOOP", Any, Nothing)'),
    ("a held-back EXPUNGE is forgotten", SESSION + "selected.rs", "self.heard(changes.to);", "let _ = changes.to;"),
    ("HIGHESTMODSEQ rises above an untold EXPUNGE", SESSION + "selected.rs", "        if !hold {\n            self.told", "        if hold || !hold {\n            self.told"),
    ("own changes are vouched for without looking", SESSION + "selected.rs", "if modseq.0 == self.told.0 + 1 {", "if modseq.0 > self.told.0 {"),
    ("VANISHED after ENABLE QRESYNC is EXPUNGE", SESSION + "selected.rs", "        if enabled.qresync {\n            let gone", "        if enabled.qresync && gone.is_empty() {\n            let gone"),
    ("\\Recent in IMAP4rev2", SESSION + "selected.rs", "let recent = !enabled.rev2 && self.recent", "let recent = self.recent"),
    ("new keywords are not announced", SESSION + "selected.rs", "if keywords.len() > self.keywords.len() {", "if keywords.len() > self.keywords.len() + 9 {"),
    ("EXISTS is told before the view has the messages", SESSION + "selected.rs", "response::exists(out, u64::from(self.view.len()));", "response::exists(out, u64::from(self.view.len()) - 1);"),
    ("a reply to another call is taken", SESSION + "mod.rs", "if token == reply.token", "if token == reply.token || true"),
    ("what was sent before TLS is kept", COMMAND + "basic.rs", "let residue = s.take_residue();", "let residue = bytes::Bytes::new();"),
    ("a break leaves uploads behind", COMMAND + "append.rs", "uploads.extend(begun.map(|upload| UploadAbort { upload }));", "let _ = begun;"),
    ("* among UIDs is the largest number", VIEW, "SeqNumber::Last => last.get(),", "SeqNumber::Last => u32::MAX,"),
    ("a number beyond the mailbox is ignored", VIEW, "                return Err(OutOfRange);", "                continue;"),
    ("the literal of a refused command is not swallowed", FRAME, "        self.mode = Mode::SkipLiteral { left: literal.size };\n        Step::Again\n    }", "        self.mode = Mode::SkipLiteral { left: 0 };\n        Step::Again\n    }"),
    ("a line is one octet longer than allowed", FRAME, "if line > bounds.line {", "if line > bounds.line + 1 {"),
    ("LF alone ends a line", FRAME, "if lf > 0 && self.buffer[lf - 1] == b'\\r' && self.line_start() < lf {", "if lf > 0 && self.line_start() < lf {"),
    ("COPYUID pairs in another order", COMMAND + "copy.rs", "    put_uids(&mut code, &from);", "    put_uids(&mut code, &from.iter().rev().copied().collect::<Vec<_>>());"),
    ("MODIFIED forgets what was refused before", COMMAND + "store.rs", "self.refused = self.refused.union(&set.refused);", "self.refused = set.refused.clone();"),
    ("CLOSE of a read-only mailbox removes", COMMAND + "select.rs", "    if selected.read_only {\n        return leave", "    if selected.read_only && selected.view.len() == 0 {\n        return leave"),
    ("QRESYNC tells no flags before the match", COMMAND + "select.rs", "let known = self.known();", "let known = self.known().intersection(&self.unmatched(selected));"),
    ("QRESYNC misses the last UID", COMMAND + "select.rs", "let gone = changes.gone.intersection(&known);", "let gone = changes.gone.intersection(&known).difference(&UidSet::from_ranges(changes.gone.last().map(|u| (u.get(), u.get()))));"),
    ("UNCHANGEDSINCE compares with >=", OPS + "change.rs", "is_some_and(|m| message.modseq > m)", "is_some_and(|m| message.modseq >= m)"),
    ("a flag change takes no modseq", OPS + "change.rs", "        let modseq = mailbox.next_modseq();\n        mailbox.keywords", "        let modseq = mailbox.highest_modseq;\n        mailbox.keywords"),
    ("MOVE leaves the message behind", OPS + "change.rs", "    let modseq = remove(t, &mut source, &moved)?;\n    if modseq.is_some() {\n        if target", "    let modseq = remove(t, &mut source, &UidSet::new())?;\n    if modseq.is_some() {\n        if target"),
    ("COPY keeps the modseq of its source", OPS + "change.rs", "    message.modseq = mailbox.next_modseq();\n    mailbox.count_in", "    message.modseq = message.modseq.max(pillarbox_core::id::ModSeq(2));\n    mailbox.count_in"),
    ("EXPUNGE takes what is not \\Deleted", OPS + "change.rs", ".filter(|m| m.flags.system.has(SystemFlags::DELETED));", ".filter(|m| !m.flags.system.has(SystemFlags::DRAFT));"),
    ("an expunge is not logged", OPS + "change.rs", "    t.log_expunge(mailbox, modseq, &gone)?;", "    let _: UidSet = gone;"),
    ("counters forget what went", OPS + "change.rs", "        mailbox.count_out(message);\n        t.bury", "        t.bury"),
    ("a mailbox of the same name gets the same UIDVALIDITY", "store/src/memory.rs", "    Ok(next.max(first))", "    Ok(first.max(1).min(next))"),
    ("another account's mailbox can be opened by its reference", OPS + "view.rs", ".filter(|m| m.owner == actor.account && reference.owner == actor.account)", ".filter(|m| m.owner == reference.owner)"),
    ("an expunged message is not served to those not told", OPS + "view.rs", "if op.changed_since.is_none() {", "if op.changed_since.is_some() {"),
    ("RENAME forgets the mailboxes below", OPS + "names.rs", "        moving.push((child, name));", "        let _ = (child, name);"),
    ("a deleted mailbox is not told to its sessions", OPS + "names.rs", "    t.drop_mailbox(&mailbox)?;\n    notices.push(Notice {\n        mailbox: mailbox.reference(),\n        modseq: None,\n    });", "    let _ = &notices;\n    t.drop_mailbox(&mailbox)?;"),
    ("an upload of the wrong length is stored", "store/src/upload.rs", "        if self.received != self.size {", "        if self.received > self.size {"),
    ("a sync is skipped", "store/src/pack/write.rs", "        if let Err(e) = self.file.sync() {\n            self.distrust();", "        if let Err(e) = std::io::Result::Ok(()) {\n            self.distrust();"),
    ("a new segment is not synced with its folder", "store/src/pack/write.rs", "File::open(files.dir()).and_then(|dir| dir.sync_all());", "File::open(files.dir()).map(drop);"),
]


def run(command, **options):
    return subprocess.run(command, text=True, capture_output=True, **options)


def found_by(copy):
    """The tests that fail, or None."""
    for command in TESTS:
        try:
            result = run(command, cwd=copy, timeout=400)
        except subprocess.TimeoutExpired:
            return "a test that does not end"
        if result.returncode == 0:
            continue
        said = result.stdout + result.stderr
        if "could not compile" in said:
            raise SystemExit("the fault does not compile:\n" + said[-2000:])
        names = sorted(set(re.findall(r"^    ([a-z0-9_:]+)$", said, re.M)))
        return ", ".join(f"`{name}`" for name in names[:4]) + (" …" if len(names) > 4 else "") or "a process that fails"
    return None


def try_fault(copy, fault):
    name, path, there, instead = fault
    file = copy / path
    text = file.read_text()
    if text.count(there) != 1:
        return "its place is not there any more"
    file.write_text(text.replace(there, instead))
    try:
        return found_by(copy)
    finally:
        file.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults whose name holds this word")
    parser.add_argument("--table", help="a file for the table")
    options = parser.parse_args()
    rows, missed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        run(["git", "clone", "-q", str(ROOT), str(copy)], check=True)
        for fault in (f for f in FAULTS if options.only in f[0]):
            since = time.monotonic()
            finder = try_fault(copy, fault)
            seconds = time.monotonic() - since
            good = finder is not None and not finder.startswith("its place")
            missed += not good
            print(f"{'found ' if good else 'MISSED'} {seconds:5.0f} s  {fault[0]}: {finder}", flush=True)
            rows.append(f"| {fault[0]} | {finder or '**nothing**'} |")
    if options.table:
        Path(options.table).write_text("\n".join(["| fault | found by |", "|---|---|", *rows, ""]))
    sys.exit(f"{missed} of {len(rows)} faults were not found" if missed else 0)


if __name__ == "__main__":
    main()
