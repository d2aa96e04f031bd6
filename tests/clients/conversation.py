"""imaplib: STARTTLS, APPEND, flags, search, COPY, EXPUNGE, and news between two connections."""
import imaplib
import ssl
import sys

tls = ssl.create_default_context()
tls.check_hostname = False
tls.verify_mode = ssl.CERT_NONE


def ok(result):
    if result[0] != "OK":
        sys.exit(str(result))
    return result[1]


def over_starttls(port):
    connection = imaplib.IMAP4("127.0.0.1", port)
    connection.starttls(tls)
    ok(connection.login("user", 'pa"ss\\word'))
    return connection


def over_tls(port):
    connection = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=tls)
    ok(connection.authenticate("PLAIN", lambda _: b"\0user\0pass"))
    return connection


m = over_starttls(int(sys.argv[1]))
assert ok(m.select("INBOX")) == [b"2"]
message = b"From: a@b\r\nSubject: hi\r\n\r\n" + b"x" * 70000 + b"\r\n"
ok(m.append("INBOX", r"(\Seen)", None, message))
assert ok(m.fetch("3", "(RFC822)"))[0][1] == message
ok(m.create("Other"))
ok(m.copy("1,3", "Other"))
ok(m.store("1", "+FLAGS", r"(\Deleted)"))
assert ok(m.expunge()) == [b"1"]
assert ok(m.search(None, "SUBJECT", "hi")) == [b"2"]
assert ok(m.uid("SEARCH", "ALL")) == [b"2 3"]
assert ok(m.status("Other", "(MESSAGES)")) == [b'"Other" (MESSAGES 2)']

n = over_tls(int(sys.argv[2]))
assert ok(n.select("Other")) == [b"2"]
n.response("EXISTS")
ok(m.append("Other", None, None, message))
ok(n.noop())
assert n.response("EXISTS") == ("EXISTS", [b"3"]), "another connection's message is told"
ok(n.uid("STORE", "1:*", "+FLAGS.SILENT", r"(\Flagged $Later)"))
assert ok(n.search(None, "KEYWORD", "$Later")) == [b"1 2 3"]
ok(n.rename("Other", "Archive/2024"))
assert any(b"Archive/2024" in line for line in ok(n.list()))
ok(n.close())
ok(n.delete("Archive/2024"))
n.logout()
m.logout()
