#!/usr/bin/env python3
"""Twenty connections of mixed clients for some minutes, and what the server's process holds meanwhile and afterwards.

tests/clients/long.py BINARY [MINUTES] [RUNTIME]

Idlers, clients that append and expunge, clients that come and go with QRESYNC, one that breaks off in the midst of an APPEND, curl and mbsync; every twenty
seconds a SIGHUP. Each minute it prints resident memory, descriptors and threads. It fails when a client is answered anything but OK, when descriptors or
threads are not back after the last client left, or when memory has grown by more than 8 MB from the second minute on, while what is stored stays the same.
"""
import imaplib
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

binary = os.path.abspath(sys.argv[1])
minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10
runtime = sys.argv[3] if len(sys.argv) > 3 else "tokio"
folder = tempfile.mkdtemp(prefix="pillarbox-long-")
os.chdir(folder)
CONFIG = """store = "store"
[[listen]]
address = "127.0.0.1:0"
[[listen]]
address = "127.0.0.1:0"
implicit_tls = true
[tls]
certificates = "cert.pem"
key = "key.pem"
[accounts]
source = "file"
path = "users"
"""
OPENSSL = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 10 -subj /CN=localhost"
subprocess.run(OPENSSL.split() + ["-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
with open("pillarbox.toml", "w") as file:
    file.write(CONFIG)
made = subprocess.run([binary, "account", "hash"], input="pass\n", capture_output=True, text=True, check=True)
with open("users", "w") as file:
    file.writelines(f"u{n}:{made.stdout.strip()}\n" for n in range(4))
log = open("log", "w")
server = subprocess.Popen([binary, "serve", "--config", "pillarbox.toml", "--runtime", runtime], stderr=log)
while len(ports := re.findall(r"event=listening address=127.0.0.1:(\d+)", open("log").read())) < 2:
    assert server.poll() is None, open("log").read()
    time.sleep(0.05)
plain, tls_port = map(int, ports)
tls = ssl.create_default_context(cafile="cert.pem")
over = threading.Event()
faults, counts, lock = [], {}, threading.Lock()
MESSAGE = b"From: a@b\r\nSubject: long\r\n\r\n" + b"x" * 78 + b"\r\n"


def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def sign_in(number):
    user = f"u{number % 4}"
    if number % 3:
        m = imaplib.IMAP4_SSL("localhost", tls_port, ssl_context=tls, timeout=60)
    else:
        m = imaplib.IMAP4("localhost", plain, timeout=60)
        m.starttls(tls)
    ok(m.login(user, "pass"))
    return m


def idler(number):
    """Hears of what comes and goes for as long as it may, and leaves without a word every other time."""
    m = sign_in(number)
    ok(m.select("INBOX"))
    for round in range(random.randrange(3, 30)):
        m.send(b"i IDLE\r\n")
        assert m.readline().startswith(b"+"), "IDLE"
        m.sock.settimeout(random.random() * 2)
        try:
            while not over.is_set():
                m.readline()
                count("told in IDLE")
        except TimeoutError:
            pass
        m.sock.settimeout(60)
        # What imaplib's buffered file reads after a timeout is an error: a new one.
        m.file = m.sock.makefile("rb")
        m.send(b"DONE\r\n")
        while not (line := m.readline()).startswith(b"i "):
            assert line, "the server hung up"
        assert line.startswith(b"i OK"), line
        if over.is_set():
            break
    if number % 2:
        m.sock.shutdown(socket.SHUT_RDWR)
        m.sock.close()
    else:
        m.logout()


def writer(number):
    """Appends, marks, copies, moves, searches and expunges, so that about as many are there afterwards as before."""
    m = sign_in(number)
    m.create("Other")
    ok(m.select("INBOX"))
    for round in range(random.randrange(2, 20)):
        for size in (1, 50, 3000 if round % 7 == 0 else 5):
            ok(m.append("INBOX", r"(\Seen $K)", None, MESSAGE * size))
        uids = ok(m.uid("SEARCH", "KEYWORD", "$K"))[0].split()
        if uids:
            ok(m.uid("FETCH", uids[-1], "(FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])"))
            some = b",".join(random.sample(uids, min(3, len(uids))))
            ok(m.uid("COPY", some, "Other"))
            ok(m.uid("STORE", b",".join(uids[:-5]) or uids[0], "+FLAGS.SILENT", r"(\Deleted)"))
            ok(m.expunge())
        if round % 5 == 4:
            ok(m.select("Other"))
            ok(m.uid("STORE", "1:*", "+FLAGS.SILENT", r"(\Deleted)"))
            ok(m.close())
            ok(m.select("INBOX"))
        count("rounds of a writer")
        if over.is_set():
            break
    m.logout()


def phone(number):
    """Connects, catches up with QRESYNC, and goes."""
    state = None
    while not over.is_set():
        m = sign_in(number)
        ok(m.enable("QRESYNC"))
        how = f" (QRESYNC ({state[0]} {state[1]}))" if state else ""
        imaplib.Commands.setdefault("SELECT", ("AUTH", "SELECTED"))
        m.state = "AUTH"
        ok(m._simple_command("SELECT", '"INBOX"' + how))
        said = b" ".join(x for _, values in m.untagged_responses.items() for x in values if isinstance(x, bytes)).decode()
        values = [m.untagged_responses.get(name, [b"1"])[-1].decode() for name in ("UIDVALIDITY", "HIGHESTMODSEQ")]
        state = [re.sub(r"\D", "", value) for value in values]
        count("reconnects")
        if random.random() < 0.5:
            m.logout()
        else:
            m.sock.close()


def breaker(number):
    """Goes away in the midst of an APPEND, a handshake, a line."""
    while not over.is_set():
        m = sign_in(number)
        kind = random.randrange(3)
        m.send(b"x APPEND INBOX {100000+}\r\n" + b"y" * random.randrange(99000) if kind == 0 else b"x SEARCH BODY " if kind == 1 else b"x FETCH 1:* BODY[]\r\n")
        m.sock.close()
        with socket.create_connection(("localhost", tls_port)) as half:
            half.send(b"\x16\x03\x01")
        count("broken off")


def curl(number):
    line = ["curl", "-sS", "--cacert", "cert.pem", "-u", f"u{number % 4}:pass", f"imaps://localhost:{tls_port}/INBOX?ALL"]
    while not over.is_set():
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, timeout=60)
        count("curl")


def mbsync(number):
    name = f"mbsync-{number}"
    os.makedirs(name, exist_ok=True)
    with open(f"{name}.rc", "w") as file:
        file.write(f"IMAPAccount a\nHost localhost\nPort {tls_port}\nUser u{number % 4}\nPass pass\nSSLType IMAPS\nSystemCertificates no\nCertificateFile cert.pem\n\n"
                   f"IMAPStore far\nAccount a\n\nMaildirStore near\nPath {name}/\nInbox {name}/INBOX\nSubFolders Verbatim\n\n"
                   f"Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nExpunge Near\nSyncState {name}/state-\n")
    while not over.is_set():
        subprocess.run(["mbsync", "-c", f"{name}.rc", "-q", "-q", "c"], check=True, timeout=120)
        count("mbsync")


def keep_on(client, number):
    while not over.is_set():
        try:
            client(number)
        except Exception as fault:  # noqa: BLE001: whatever it is, it is told at the end
            faults.append(f"{client.__name__} {number}: {fault!r}")
            return


def held():
    """Resident memory, descriptors that are not the mail's own files, and threads."""
    status = open(f"/proc/{server.pid}/status").read()
    number = lambda name: int(re.search(rf"{name}:\s+(\d+)", status)[1])
    return number("VmRSS"), len([name for name in opened() if "/store/packs/" not in name]), number("Threads")


def opened():
    names = []
    for fd in os.listdir(f"/proc/{server.pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{server.pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return names


def show(when, now):
    print(f"{when:>12}  {now[0]:>7} KB  {now[1]:>3} descriptors  {now[2]:>2} threads", flush=True)


def rested(base=None):
    """What is held once the connections are gone: as little as before, else what there is after half a minute."""
    until = time.time() + (30 if base else 5)
    while time.time() < until:
        now = held()
        if base and now[1] <= base[1] and now[2] <= base[2]:
            break
        time.sleep(0.1)
    return held()


def run(seconds):
    """All clients for so long; the memory of the second minute, or none."""
    over.clear()
    kinds = [idler] * 7 + [writer] * 5 + [phone] * 3 + [breaker] * 2 + [curl] * 2 + [mbsync]
    threads = [threading.Thread(target=keep_on, args=(kind, number)) for number, kind in enumerate(kinds)]
    for thread in threads:
        thread.start()
    began, minute, early = time.time(), 0, None
    while (passed := time.time() - began) < seconds and not faults:
        if passed // 60 > minute:
            minute += 1
            show(f"minute {minute}", held())
            early = held()[0] if minute == 2 else early
        time.sleep(min(20, seconds - passed))
        server.send_signal(signal.SIGHUP)
    over.set()
    for thread in threads:
        thread.join()
    return early


for number in range(4):
    m = sign_in(number)
    ok(m.append("INBOX", None, None, MESSAGE))
    m.logout()
# What is opened once, and as large as it gets: that is the beginning.
run(30)
base = rested()
show("before", base)
early = run(minutes * 60)
end = rested(base)
show("afterwards", end)
print(", ".join(f"{what}: {times}" for what, times in sorted(counts.items())))
left = sorted(opened())
server.terminate()
assert server.wait(30) == 0
complaints = [line for line in open("log") if "level=error" in line or "reload_refused" in line]
assert not faults, faults
assert not complaints, complaints[:5]
assert end[1] <= base[1], left
assert end[2] <= base[2], "threads are left"
assert early is None or end[0] <= early + 8192, "memory grows"
shutil.rmtree(folder)
