"""Fills, changes or compares the mail of two servers, without parsing more than it must."""
import imaplib
import re
import ssl
import sys

tls = ssl.create_default_context()
tls.check_hostname = False
tls.verify_mode = ssl.CERT_NONE
NAMES = ["INBOX", "Archive", "Archive/2024", "Entw&APw-rfe", '"with space"']


def ok(result):
    if result[0] != "OK":
        sys.exit(str(result))
    return result[1]


def sign_in(port):
    connection = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=tls)
    ok(connection.login("user", "pass"))
    return connection


def message(n):
    return (f"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_{n}?=\r\nMessage-ID: <{n}@x>\r\n\r\n" + f"line {n} äöü\r\n" * (n % 50)).encode()


def fill(connection, first):
    for n in range(first, first + 60):
        name = NAMES[n % len(NAMES)]
        if n < first + len(NAMES) and name != "INBOX":
            connection.create(name)
        flags = " ".join(flag for flag, every in ((r"\Seen", 2), (r"\Flagged", 3), ("$Later", 7)) if n % every == 0)
        ok(connection.append(name, f"({flags})", None, message(n)))


def change(connection, header, flag):
    for name in NAMES[:3]:
        ok(connection.select(name))
        uids = ok(connection.uid("SEARCH", "HEADER", "Message-ID", header))[0].replace(b" ", b",")
        if uids:
            ok(connection.uid("STORE", uids, "+FLAGS", f"({flag})"))
        ok(connection.expunge())


def everything(connection):
    mail = {}
    for name in NAMES:
        count = int(ok(connection.select(name, readonly=True))[0])
        data = ok(connection.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")) if count else []
        for head, body in (item for item in data if isinstance(item, tuple)):
            flags = re.search(rb"FLAGS \(([^)]*)\)", head).group(1).split()
            key = (name, body)
            assert key not in mail or b"localhost" in body, f"twice: {key}"
            mail.setdefault(key, []).append(sorted(f for f in flags if f != rb"\Recent"))
    return {key: sorted(flags) for key, flags in mail.items()}


what, near, far = sys.argv[1], sign_in(sys.argv[2]), sign_in(sys.argv[3])
if what == "fill":
    fill(near, 0)
    fill(far, 100)
elif what == "change":
    change(near, "<1", r"\Answered")
    change(near, "<20", r"\Deleted")
    change(far, "<14", r"\Draft")
    change(far, "<15", r"\Deleted")
    fill(far, 200)
else:
    one, other = everything(near), everything(far)
    assert one == other, [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    print(sum(len(copies) for copies in one.values()))
for connection in (near, far):
    connection.logout()
