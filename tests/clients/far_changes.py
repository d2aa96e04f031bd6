"""Changes on the server's side: one message more, one less, others with other flags."""
import imaplib
import ssl
import sys

tls = ssl.create_default_context()
tls.check_hostname = False
tls.verify_mode = ssl.CERT_NONE
m = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=tls)
m.login("user", "pass")
m.select("INBOX")
m.append("INBOX", r"(\Seen)", None, b"Subject: from afar\r\n\r\nhello\r\n")
for header, change in (("<40@", r"\Flagged"), ("<41@", r"\Answered"), ("<42@", r"\Deleted")):
    uids = m.uid("SEARCH", "HEADER", "Message-ID", header)[1][0]
    assert len(uids.split()) == 1, uids
    m.uid("STORE", uids, "+FLAGS", f"({change})")
m.expunge()
m.logout()
