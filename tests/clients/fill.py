"""Appends the messages of a Maildir between two numbers to INBOX. Its arguments: the port, the certificate, the Maildir, the numbers."""
import glob
import imaplib
import ssl
import sys

port, certificate, maildir, first, end = sys.argv[1:]
m = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=ssl.create_default_context(cafile=certificate))
m.login("user", "pass")
for i in range(int(first), int(end)):
    (path,) = glob.glob(f"{maildir}/INBOX/cur/{i}.host:*")
    with open(path, "rb") as file:
        answer, why = m.append("INBOX", None, None, file.read().replace(b"\n", b"\r\n"))
    assert answer == "OK", why
m.logout()
