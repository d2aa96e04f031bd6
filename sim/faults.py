#!/usr/bin/env python3
"""The test of the tests: puts one fault at a time into a copy of the project and says which test found it, and after how long.

    sim/faults.py [--only WORD] [--again] [--write]
    sim/faults.py --check

Each fault is a small change that a tired person could make. A fault that no test finds, or whose place is not there any more, is a failure.
The faults are built once, all in one copy, each behind a number that a variable turns on (`sim/switch.py`); one at a time those that cannot be.
The copy, what was built of it and what was found are kept in target/faults: a run that was broken off goes on, with the tree it began with;
`--again` begins anew with what is committed. `--write` puts what was found into the table of docs/proof.md; rows of faults that were not tried stay.
`--check` tries none: it says whether each fault's place is there still, and whether the table has a row for each and no other.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import switch

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target/faults"
COPY, DONE = FOLDER / "copy", FOLDER / "done.json"
# What is built is small: no lines for a debugger, and one test program at a time. It is built once and runs often: a little optimisation pays.
ENVIRONMENT = os.environ | {"CARGO_TARGET_DIR": str(FOLDER / "target"), "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_DEV_OPT_LEVEL": "1"}
# Seconds for one test program.
PATIENCE = 400
# The test programs of each crate, in the order they are tried; the first that finds the fault ends it.
PROGRAMS = {
    "sim": ["--test mirror", "--test scripts", "--tests"],
    "core": ["--lib", "--tests"],
    "store": ["--lib", "--test backends", "--test failures --test kill --test reclaim --test verify --test names", "--test crash", "--test streaming"],
    "driver": ["--lib --tests"],
    # The real binary; of what hostile clients send, who waits for whom.
    "": ["--test hostile turns"],
}
FEATURES = {"store": ["--features", "conformance"], "": ["--features", "runtime-smol"]}

SESSION, VIEW, FRAME = "core/src/session/", "core/src/view/mod.rs", "core/src/wire/frame.rs"
SKIP = "core/src/wire/frame/skip.rs"
OPS, COMMAND, SQLITE = "store/src/ops/", "core/src/command/", "store/src/sqlite/"

# What goes wrong, where, what stands there, what is put in its place.
FAULTS = [
    ("EXPUNGE is told during FETCH by number", "core/src/schedule.rs", 'row("FETCH", Selected, NoExpunge)', 'row("FETCH", Selected, All)'),
    ("EXPUNGE is told during STORE by number", "core/src/schedule.rs", 'row("STORE", Selected, NoExpunge)', 'row("STORE", Selected, All)'),
    ("EXPUNGE is told during SEARCH by number", "core/src/schedule.rs", 'row("SEARCH", Selected, NoExpunge)', 'row("SEARCH", Selected, All)'),
    ("NOOP tells nothing new", "core/src/schedule.rs", 'row("NOOP", Any, Fresh)', 'row("NOOP", Any, Nothing)'),
    ("a held-back EXPUNGE is forgotten", SESSION + "selected.rs", "selected.heard(self.newest);", "let _ = self.newest;"),
    ("HIGHESTMODSEQ rises above an untold EXPUNGE", SESSION + "selected.rs", "        if !self.hold {\n            selected.told", "        if self.hold || !self.hold {\n            selected.told"),
    ("own changes are vouched for without looking", SESSION + "selected.rs", "if modseq.0 == self.told.0 + 1 {", "if modseq.0 > self.told.0 {"),
    ("VANISHED after ENABLE QRESYNC is EXPUNGE", SESSION + "selected.rs", "        if enabled.qresync {\n            let some", "        if enabled.qresync && gone.is_empty() {\n            let some"),
    ("\\Recent in IMAP4rev2", SESSION + "selected.rs", "let recent = !enabled.rev2 && self.recent", "let recent = self.recent"),
    ("new keywords are not announced", SESSION + "selected.rs", "if keywords.len() > self.keywords.len() {", "if keywords.len() > self.keywords.len() + 9 {"),
    ("EXISTS is told before the view has the messages", SESSION + "selected.rs", "response::exists(out, u64::from(self.view.len()));", "response::exists(out, u64::from(self.view.len()) - 1);"),
    ("a reply to another call is taken", SESSION + "mod.rs", "if token == reply.token", "if token == reply.token || true"),
    ("what was sent before TLS is kept", COMMAND + "basic.rs", "let residue = s.take_residue();", "let residue = bytes::Bytes::new();"),
    ("a break leaves uploads behind", COMMAND + "append.rs", "uploads.extend(begun.map(|upload| UploadAbort { upload }));", "let _ = begun;"),
    ("* among UIDs is the largest number", VIEW, "SeqNumber::Last => last.get(),", "SeqNumber::Last => u32::MAX,"),
    ("a number beyond the mailbox is ignored", VIEW, "                return Err(OutOfRange);", "                continue;"),
    ("the literal of a refused command is not swallowed", SKIP, "        self.mode = Mode::SkipLiteral { left: size };", "        self.mode = Mode::SkipLiteral { left: size.min(1) };"),
    ("a line is one octet longer than allowed", FRAME, "if line > bounds.line && bounds", "if line > bounds.line + 1 && bounds"),
    ("LF alone ends a line", FRAME, "if lf > 0 && self.buffer[lf - 1] == b'\\r' && self.line_start() < lf {", "if lf > 0 && self.line_start() < lf {"),
    ("COPYUID pairs in another order", "core/src/response/code.rs", "(pairs.at, pairs.copies) = (0, true);", "pairs.list.reverse();\n                (pairs.at, pairs.copies) = (0, true);"),
    ("MODIFIED forgets what was refused before", COMMAND + "store.rs", "self.refused.insert_all(&set.refused);", "self.refused = Blocks::new(&set.refused);"),
    ("CLOSE of a read-only mailbox removes", COMMAND + "select.rs", "    if selected.read_only {\n        return leave", "    if selected.read_only && selected.view.len() == 0 {\n        return leave"),
    ("QRESYNC tells no flags before the match", COMMAND + "select.rs", "known: self.known(),", "known: self.known().intersection(&UidSet::range(self.unmatched(selected), Uid::MAX)),"),
    ("QRESYNC misses the last UID", COMMAND + "select.rs", "let gone = gone.intersection(&self.known).intersection(&ever);", "let gone = gone.intersection(&self.known).intersection(&ever);\n        let gone = gone.difference(&UidSet::from_ranges(gone.last().map(|u| (u.get(), u.get()))));"),
    ("UNCHANGEDSINCE compares with >=", OPS + "change.rs", "is_some_and(|m| message.modseq > m)", "is_some_and(|m| message.modseq >= m)"),
    ("a flag change takes no modseq", OPS + "change.rs", "        let modseq = mailbox.next_modseq()?;\n        mailbox.keywords", "        let modseq = mailbox.highest_modseq;\n        mailbox.keywords"),
    ("MOVE leaves the message behind", OPS + "transfer.rs", "                leaving.bury(t, self.left(), message)?;", "                let _ = (&mut leaving, self.left());\n                t.put_mailbox(&self.target)?;"),
    ("COPY keeps the modseq of its source", OPS + "change.rs", "    message.modseq = mailbox.next_modseq()?;\n    mailbox.count_in", "    message.modseq = message.modseq.max(pillarbox_core::id::ModSeq(2));\n    mailbox.count_in"),
    ("EXPUNGE takes what is not \\Deleted", OPS + "change.rs", "|m: &Message| m.flags.system.has(SystemFlags::DELETED);", "|m: &Message| !m.flags.system.has(SystemFlags::DRAFT);"),
    ("an expunge is not logged", OPS + "change.rs", "        t.log_expunge(mailbox, modseq, &self.gone)?;\n", ""),
    ("counters forget what went", OPS + "change.rs", "        mailbox.count_out(message);\n        t.bury", "        t.bury"),
    ("a mailbox of the same name gets the same UIDVALIDITY", "store/src/memory.rs", "    Ok(next.max(first))", "    Ok(first.max(1).min(next))"),
    ("another account's mailbox can be opened by its reference", OPS + "view.rs", ".filter(|m| m.owner == actor.account && reference.owner == actor.account)", ".filter(|m| m.owner == reference.owner)"),
    ("an expunged message is not served to those not told", OPS + "view.rs", "if op.changed_since.is_none() {", "if op.changed_since.is_some() {"),
    ("RENAME forgets the mailboxes below", OPS + "names.rs", "        moving.push((child, name));", "        let _ = (child, name);"),
    ("a deleted mailbox is not told to its sessions", OPS + "names.rs", "    t.drop_mailbox(&mailbox)?;\n    notices.push(Notice {\n        mailbox: mailbox.reference(),\n        modseq: None,\n    });", "    let _ = &notices;\n    t.drop_mailbox(&mailbox)?;"),
    ("an upload of the wrong length is stored", "store/src/upload.rs", "        if self.received != self.size {", "        if self.received > self.size {"),
    ("a sync is skipped", "store/src/pack/write.rs", "        if let Err(e) = self.file.sync() {\n            self.distrust();", "        if let Err(e) = std::io::Result::Ok(()) {\n            self.distrust();"),
    ("a new segment is not synced with its folder", "store/src/pack/write.rs", "    let synced = files.sync_folder();", "    let synced: io::Result<()> = Ok(());"),
    ("a large message's segment is not synced with its folder", "store/src/pack/aside.rs", "        self.files.sync_folder()?;\n", ""),
    ("a large message that is refused stays in the log", SQLITE + "threads.rs", "Self::Segment => pack.begun(),", "Self::Segment => pack.mark(),"),
    # Framing and parsing.
    ("a refused APPEND leaves the framer within its command", FRAME, "            self.mode = Mode::Line { start: 0 };\n            return Step::Frame(Frame::Append(piece, literal));", "            return Step::Frame(Frame::Append(piece, literal));"),
    ("a literal announced behind a refused line is not swallowed", SKIP, "            Announced::Literal(literal, _) if !literal.synchronizing => {\n                self.swallow(literal.size);", "            Announced::Literal(literal, _) if !literal.synchronizing => {\n                self.swallow(0);"),
    ("numbers above 32 bits are cut to them", "core/src/parse/lex.rs", "    match u32::try_from(n).ok().and_then(NonZeroU32::new) {", "    match NonZeroU32::new(n as u32) {"),
    # What a client is told of mail.
    ('NIL for ""', "core/src/message/quote.rs", "        Some(text) => string(out, text),", "        Some(text) if !text.is_empty() => string(out, text),\n        Some(_) => out.extend_from_slice(b\"NIL\"),"),
    ("% in LIST crosses the separator", "core/src/mailbox/pattern.rs", "'/' => &pattern.stars", "'/' => &pattern.wild"),
    ("a partial FETCH brings an octet more", COMMAND + "fetch/section.rs", "        Some((offset, length)) => (offset.min(size), offset.saturating_add(length).min(size)),", "        Some((offset, length)) => (offset.min(size), offset.saturating_add(length + 1).min(size)),"),
    ("PEEK sets \\Seen", COMMAND + "fetch/asked.rs", "FetchItem::Section { peek: false, .. } | FetchItem::Binary { peek: false, .. }", "FetchItem::Section { .. } | FetchItem::Binary { peek: false, .. }"),
    ("the empty text is found in no picture", "core/src/search/eval.rs", "            *answer = Some(needle.found());\n        }\n        Ok(())", "            *answer = Some(false && needle.found());\n        }\n        Ok(())"),
    # Views and what is told of changes.
    ("UIDs are looked up late: in the mailbox, not in what was told", VIEW, "        self.intersect(&self.spans_of_uid(set))", "        self.spans_of_uid(set)"),
    ("VANISHED is told without its last UID", SESSION + "selected.rs", "            response::vanished(out, &self.view.remove(&some), false);\n", "            let mut told = self.view.remove(&some);\n            let _ = told.split_off_after(told.len() - 1);\n            response::vanished(out, &told, false);\n"),
    ("the numbers of EXPUNGE count upwards", VIEW, "            .flat_map(|&(a, b)| (a..=b).rev())", "            .flat_map(|&(a, b)| a..=b)"),
    ("CHANGEDSINCE compares with >=", "store/src/row.rs", "messages.iter().filter(|m| m.modseq > since)", "messages.iter().filter(|m| m.modseq >= since)"),
    ("a page of changes goes as far as the longer of what came and what is gone", OPS + "view.rs", "let end = fresh.end.min(gone.end);", "let end = fresh.end.max(gone.end);"),
    ("the next page of changes begins one too late", OPS + "view.rs", "more: Uid::new(end).filter(|_| end < u32::MAX),", "more: Uid::new(end.saturating_add(1)).filter(|_| end < u32::MAX),"),
    ("the last range of what came is told of in no page of changes", OPS + "view.rs", "        let end = end.filter(|end| *end < below).unwrap_or(u32::MAX);\n        Self { uids, end }", "        let end = end.filter(|end| *end < below).unwrap_or(u32::MAX);\n        let uids = UidSet::from_ranges(uids.ranges().iter().copied().take(ranges.saturating_sub(1).max(1)));\n        Self { uids, end }"),
    ("ranges that are gone are dropped behind the first page of changes", OPS + "view.rs", "        end: next.unwrap_or(u32::MAX),", "        end: next.map_or(u32::MAX, |_| u32::MAX),"),
    ("a full page of changes of flags is taken for all", OPS + "view.rs", "(op.known_below.get(), op.limit.saturating_add(1));", "(op.known_below.get(), op.limit.max(1));"),
    ("the rest of a page of changes of flags begins one too late", OPS + "view.rs", "changes.resume = changed.get(op.limit).map(|m| m.uid);", "changes.resume = changed.get(op.limit).and_then(|m| Uid::new(m.uid.get() + 1));"),
    ("that there are more pages of changes is forgotten", SESSION + "selected.rs", "        more.map(|uid| if self.hold { uid.max(known) } else { uid })\n            .filter(|uid| uid.get() < end.get())", "        more.map(|uid| if self.hold { uid.max(known) } else { uid })\n            .filter(|uid| uid.get() > end.get())"),
    ("only what came is looked for behind the first page of changes", SESSION + "selected.rs", "more.map(|uid| if self.hold { uid.max(known) } else { uid })", "more.map(|uid| if self.hold || uid < known { uid.max(known) } else { uid })"),
    ("what came in a later page of changes is not told", "core/src/effect/watch.rs", "        self.fresh = page.fresh;\n", "        self.fresh = UidSet::new();\n"),
    ("what a later page of changes says of its instant is taken for the first one's", "core/src/effect/watch.rs", "        self.more = page.more;\n", "        self.more = page.more;\n        self.to = page.to;\n"),
    ("pages of changes of several instants are taken for one", SESSION + "selected.rs", "self.torn |= page.to != self.changes.to;", "self.torn |= page.to < self.changes.to;"),
    ("QRESYNC tells only the first page of changes", COMMAND + "select.rs", "more.filter(|uid| uid.get() < selected.uid_next.get())", "more.filter(|uid| uid.get() > selected.uid_next.get())"),
    ("FETCH tells VANISHED of the first page of changes alone", COMMAND + "fetch/mod.rs", "self.more = changes.more.filter(|uid| Some(*uid) <= last);", "self.more = changes.more.filter(|uid| Some(*uid) > last);"),
    ("QRESYNC tells a page of changes of flags again with the next", "core/src/effect/watch.rs", "self.flags = page.rows.iter().map(change).collect();", "self.flags.extend(page.rows.iter().map(change));"),
    ("a page of changes of flags is told from its second on", SESSION + "selected.rs", "                self.flags = 0;\n                selected.learn_keywords(out", "                self.flags = usize::from(self.changes.flags.len() > 1);\n                selected.learn_keywords(out"),
    ("the saved result keeps what is gone", COMMAND + "mod.rs", "SequenceSet::Saved => Ok(selected.view.intersect(&s.saved.to_set())),", "SequenceSet::Saved => Ok(s.saved.to_set()),"),
    # What is kept, and when it is told.
    ("a change is told before it is durable", SQLITE + "threads.rs", "        let done = match unit {\n            Unit::Lagging =>", "        self.notices.append(&mut batch.notices);\n        self.tell();\n        let done = match unit {\n            Unit::Lagging =>"),
    ("a change is answered before it is durable", SQLITE + "threads.rs", "        batch.replies.add(slot, done.reply);", "        let _ = &batch.replies;\n        slot.send(done.reply);"),
    ("a command that fails keeps half of what it did", SQLITE + "threads.rs", 'Unit::Segment | Unit::Transaction | Unit::Lagging => "ROLLBACK; BEGIN IMMEDIATE",\n            Unit::Savepoint => "ROLLBACK TO job; RELEASE job",', 'Unit::Segment | Unit::Transaction | Unit::Lagging => "",\n            Unit::Savepoint => "RELEASE job",'),
    ("who reads does not wait until the index shows what was acknowledged", SQLITE + "known.rs", "state.accounts.contains_key(&owner.0) && !state.lagging.contains(&owner.0)", "state.accounts.contains_key(&owner.0)"),
    ("what was acknowledged and the index lost is not brought in from the log", SQLITE + "ledger.rs", "let done = catch_up(&self.conn, &self.files, segment, (start, end));", "let _ = (catch_up, start);\n            let done = Ok(());"),
    ("the index's mark is behind what it has", SQLITE + "ledger.rs", "let marked = set_mark(&self.conn, (segment, end));", "let marked = set_mark(&self.conn, (segment, start));"),
    ("a change is told before the index shows it", SQLITE + "threads.rs", "        if !lags {\n            self.tell();\n        }\n    }\n\n    /// The octets of a message that is alone", "        self.tell();\n    }\n\n    /// The octets of a message that is alone"),
    ("who waits for a disk is never relieved", SQLITE + "desk.rs", "                    leave.relieve();\n", ""),
    ("a panic of who writes in place leaves the store open for changes", SQLITE + "threads.rs", "            desk.end(Some(group));", "            let look = group.look();\n            desk.put_back(group, look);"),
    ("who writes in place does not wake the writer when the index may lag no further", SQLITE + "desk.rs", "if look == Look::Now || is_more", "if is_more"),
    ("a message is written in place without leave", SQLITE + "threads.rs", "        let leave = ready.job.leave()?;\n", "        let own = crate::contract::Leave::new(1, || {});\n        let leave = ready.job.leave().unwrap_or(&own);\n"),
    ("the writer ends without what is in hand in place", SQLITE + "desk.rs", "!state.jobs.is_empty() || state.closed || state.over;", "!state.jobs.is_empty() || state.closed;"),
    ("the index waits until no more mail comes", SQLITE + "ledger.rs", "                && lag.begun.elapsed() < LONGEST\n", "                && lag.begun.elapsed() < LONGEST * 10_000\n"),
    ("many messages at once are acknowledged before the index has room for them", SQLITE + "threads.rs", "(messages.len() == 1 &&", "(!messages.is_empty() &&"),
    ("UIDs that were perhaps told are given again after a crash", SQLITE + "replay.rs", "            arrived(&mut mailbox, message);\n", "            let _ = message;\n"),
    ("a recovery forgets the modseqs of flags", SQLITE + "replay.rs", "                (message.flags, message.modseq) = (flags, modseq);", "                message.flags = flags;"),
    ("a recovery forgets HIGHESTMODSEQ", SQLITE + "replay.rs", "        if modseq > ModSeq(0) {\n            self.t.log_expunge(&mut mailbox, modseq, uids)?;\n        }", "        if modseq > ModSeq(0) {\n            let _ = self.t.log_expunge(&mut mailbox.clone(), ModSeq(1), uids);\n        }"),
    ("changes of flags are not in the log", SQLITE + "tables.rs", "        self.told(mailbox, modseq);\n        self.log(&entry, None).map(drop)\n    }\n\n    fn bury_message", "        let _ = &entry;\n        self.told(mailbox, modseq);\n        Ok(())\n    }\n\n    fn bury_message"),
    ("a mailbox is found by its name alone", SQLITE + "tables.rs", 'let sql = "SELECT * FROM mailbox WHERE owner = ?1 AND name = ?2";', 'let sql = "SELECT * FROM mailbox WHERE (owner = ?1 OR owner <> ?1) AND name = ?2";'),
    ("what a recovery found at the end is not written again", SQLITE + "recover.rs", "        if until.is_none() && last < end {", "        if until.is_none() && last > end {"),
    ("a log of the index whose sync failed is brought in as it is", SQLITE + "checkpoint.rs", "        if self.doubtful.get() {", "        if false && self.doubtful.get() {"),
    ("a failed sync of the index's log is forgotten", SQLITE + "checkpoint.rs", "        self.doubtful.set(told.as_ref().is_err_and(failed));", "        let _ = told.as_ref().is_err_and(failed);"),
    ("a failed sync of the index's log is forgotten when the store is closed", SQLITE + "checkpoint.rs", "let doubtful = Cell::new(true);", "let doubtful = Cell::new(false);"),
    ("a rebuild sets the log aside before its index", SQLITE + "recover.rs", 'const SUFFIXES: [&str; 4] = ["", "-journal", "-wal", "-shm"];', 'const SUFFIXES: [&str; 4] = ["-shm", "-wal", "-journal", ""];'),
    ("a rebuild does not wait for each of its renames", SQLITE + "recover.rs", "            std::fs::rename(&old, name(free, suffix))?;\n            sync_folder(path)?;", "            std::fs::rename(&old, name(free, suffix))?;"),
    ("a block's checksum is not looked at", "store/src/pack/record.rs", "    match crc32c::crc32c(octets).to_le_bytes() == crc[..] {", "    match crc.len() == CRC {"),
    ("a torn transaction counts", "store/src/pack/scan.rs", "                complete: complete && good,", "                complete: complete || good || true,"),
    ("a password is right when its beginning is", "store/src/accounts/mod.rs", "(0..a.len().max(b.len())).fold(a.len() ^ b.len(), |all, i| {", "(0..a.len().min(b.len())).fold(0, |all, i| {"),
    ("a connection asks the store as often as it likes in its turn", "driver/src/connection.rs", "this.questions = QUESTIONS;", "this.questions = usize::MAX;"),
    ("a connection stands still for 0.3 seconds in its turn", "driver/src/connection.rs", "    fn received_plain(&mut self, octets: &[u8]) {\n", "    fn received_plain(&mut self, octets: &[u8]) {\n        if octets.windows(9).any(|w| w == b\"NOOP ((((\") {\n            std::thread::sleep(std::time::Duration::from_millis(300));\n        }\n"),
    ("a connection moves as many octets as it likes in its turn", "driver/src/connection.rs", "let most = this.octets() + OCTETS;", "let most = this.octets() + (OCTETS << 20);"),
    ("a connection that left is still sent notices", "driver/src/hub.rs", "            entry.watched.remove(&mailbox);\n        }\n        state.forget(mailbox, self.id);", "            entry.watched.remove(&mailbox);\n        }"),
]


# What is said of a fault that no test finds.
NOTHING = ("**nothing**", "")


class DoesNotCompile(Exception):
    """A fault must be one that a compiler lets pass."""


def run(command, patience=None, on=0):
    """Whether the command succeeds with this fault on (`None`: it did not end), and what it says. Nothing that it started outlives it."""
    environment = ENVIRONMENT | {"PILLARBOX_FAULT": str(on)}
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True, "env": environment}
    with subprocess.Popen(command, cwd=COPY, **options) as process:
        try:
            said, _ = process.communicate(timeout=patience)
            return process.returncode == 0, said
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def tests(path):
    """All test programs, those of the fault's own crate first; what sessions and stores do together is tested by the simulation, what is
    made durable by crashes."""
    together = any(word in path for word in ("/session/", "/command/", "schedule.rs", "/ops/", "memory.rs"))
    durable = any(word in path for word in ("/pack/write.rs", "/recover.rs", "/checkpoint.rs"))
    own = "sim" if together else path.split("/")[0]
    for crate in sorted(PROGRAMS, key=lambda crate: (crate != own, crate != "" or own != "driver")):
        for program in sorted(PROGRAMS[crate], key=lambda program: not (durable and "crash" in program)):
            yield [os.environ.get("CARGO", "cargo"), "test", "-q", "-p", f"pillarbox-{crate}".strip("-"), *FEATURES.get(crate, []), *program.split()]


def found_by(path, on):
    """Which tests fail, and after how many seconds of testing and seeds; or None."""
    tested = 0.0
    for command in tests(path):
        built, said = run([*command, "--no-run"])
        if not built:
            raise DoesNotCompile(said[-2000:])
        begun = time.monotonic()
        passed, said = run(command, PATIENCE, on)
        tested += time.monotonic() - begun
        if passed:
            continue
        failed = re.findall(r"^    ([a-z0-9_:]+)$|^test (\S+) has been running", said, re.M)
        names = sorted({one or other for one, other in failed})
        finder = ", ".join(f"`{name}`" for name in names[:4]) + (" …" if len(names) > 4 else "")
        if passed is None:
            finder = f"a test that does not end: {finder or ' '.join(command[3:])}"
        # The seeds are tried from 0 on.
        seeds = [int(seed) + 1 for seed in re.findall(r"\bseed (\d+)", said)]
        seeds = f", {count(min(seeds), 'seed')}" if seeds else ""
        return finder or "a process that fails", f"{tested:.1f} s{seeds}"
    return None


def count(n, what):
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def is_there(fault):
    _, path, there, _ = fault
    return (ROOT / path).read_text().count(there) == 1


def try_fault(fault, on):
    """Who found it and after how long; or why nothing did. `on` is its number in the copy, 0 for one that has to be written there."""
    _, path, there, instead = fault
    if on:
        return found_by(path, on) or NOTHING
    file = COPY / path
    text = file.read_text()
    file.write_text(committed(path).replace(there, instead))
    try:
        return found_by(path, 0) or NOTHING
    finally:
        file.write_text(text)


def committed(path):
    """A file of the copy as it was before all faults."""
    return subprocess.run(["git", "show", f"HEAD:{path}"], cwd=COPY, check=True, stdout=subprocess.PIPE, text=True).stdout


def begin(again):
    """The copy, as it was committed and with the faults; the number of each of them, and what was found already."""
    if again or not COPY.exists():
        shutil.rmtree(COPY, ignore_errors=True)
        DONE.unlink(missing_ok=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", str(ROOT), str(COPY)], check=True)
    subprocess.run(["git", "checkout", "-q", "."], cwd=COPY, check=True)
    there = [(number, fault) for number, fault in enumerate(FAULTS, 1) if committed(fault[1]).count(fault[2]) == 1]
    faults = [switch.Fault.of_text(number, path, committed(path), old, new) for number, (_, path, old, new) in there]
    left = {fault.number for fault in switch.put(COPY, faults, ENVIRONMENT)}
    numbers = {fault[0]: number for number, fault in there if number not in left}
    return numbers, json.loads(DONE.read_text()) if DONE.exists() else {}


# The table in docs/proof.md.
PROOF = ROOT / "docs/proof.md"
TABLE = re.compile(r"(<!-- sim/faults.py --write -->\n\| fault \| found by \| after \|\n\|---\|---\|---\|\n)(.*?)(<!-- end -->)", re.S)


def rows():
    """The table's rows by their fault."""
    table = TABLE.search(PROOF.read_text())
    if not table:
        sys.exit("docs/proof.md has no table of faults")
    return {line.split(" | ")[0].removeprefix("| "): line for line in table[2].splitlines()}


def write(found):
    """Puts rows into the table, in the order of the faults."""
    known = rows() | {name: f"| {name} | {finder} | {after} |" for name, (finder, after) in found.items()}
    lines = [known[name] + "\n" for name, *_ in FAULTS if name in known]
    text = PROOF.read_text()
    PROOF.write_text(TABLE.sub(lambda m: m[1] + "".join(lines) + m[3], text))


def check():
    """What is wrong with the faults and their table."""
    names = [fault[0] for fault in FAULTS]
    wrong = [f"its place is not there, or there more than once: {f[0]}" for f in FAULTS if not is_there(f)]
    wrong += [f"two faults of one name: {name}" for name in sorted(set(names)) if names.count(name) > 1]
    table = rows()
    wrong += [f"docs/proof.md does not say who found: {name}" for name in names if name not in table]
    wrong += [f"docs/proof.md has a row of no fault: {name}" for name in table if name not in names]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults whose row in the table holds this: a word of their names, or 'not tried yet'")
    parser.add_argument("--write", action="store_true", help="write the table of docs/proof.md")
    parser.add_argument("--check", action="store_true", help="try nothing; are the faults' places and rows there?")
    parser.add_argument("--again", action="store_true", help="forget what an earlier run found; try what is committed now")
    options = parser.parse_args()
    if options.check:
        wrong = check()
        sys.exit("sim/faults.py: " + "\n".join(wrong) if wrong else 0)
    known = rows()
    numbers, done = begin(options.again)
    chosen = [fault for fault in FAULTS if options.only in known.get(fault[0], fault[0])]
    missed = 0
    for fault in chosen:
        name = fault[0]
        # The text of the fault, too: what was mended in this table is tried again.
        if options.only or done.get(name, {}).get("fault") != list(fault):
            if committed(fault[1]).count(fault[2]) != 1:
                missed += 1
                print(f"MISSED  {name}: its place is not there any more", flush=True)
                continue
            try:
                done[name] = {"fault": fault, "found": try_fault(fault, numbers.get(name, 0))}
            except DoesNotCompile as said:
                missed += 1
                print(f"MISSED  {name}: it does not compile\n{said}", flush=True)
                continue
            DONE.write_text(json.dumps(done))
        finder, after = done[name]["found"]
        missed += not after
        print(f"{'found ' if after else 'MISSED'}  {name}: {finder}, {after}", flush=True)
        if options.write:
            write({name: (finder, after)})
    sys.exit(f"{missed} of {len(chosen)} faults were not found" if missed else 0)


if __name__ == "__main__":
    main()
