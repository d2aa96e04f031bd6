"""A Maildir of 500 messages of many kinds, or of those between two numbers, the same each time: attachments, nested multiparts, forwarded messages, non-ASCII headers,
several charsets, long lines, bodies of 10 MB. Its arguments: the Maildir, and perhaps the two numbers."""
import email.message
import email.policy
import os
import random
import sys

random.seed(7)
root = os.path.join(sys.argv[1], "INBOX")
for part in ("cur", "new", "tmp"):
    os.makedirs(os.path.join(root, part), exist_ok=True)

SUBJECTS = ["Grüße aus Köln", "日本語の件名です", "Привет, мир", "Re: [list] plain", "a" * 200, "=?utf-8?B?not really?", 'say "hi" \\o/']
TEXTS = [
    ("utf-8", "Zeile mit äöü und €\n"),
    ("iso-8859-1", "Grüße\n"),
    ("koi8-r", "Привет, мир\n"),
    ("shift_jis", "こんにちは\n"),
    ("us-ascii", "From the beginning of a line.\n.\n"),
    ("utf-8", "x" * 900 + "\n"),
]


def message(i):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"] = f"Jürgen Müller {i} <j{i}@example.org>"
    m["To"] = ", ".join(f"Person Nr. {n} <p{n}@example.org>" for n in range(1 + i % 9))
    m["Subject"] = f"{random.choice(SUBJECTS)} {i}"
    m["Message-ID"] = f"<{i}@example.org>"
    m["Date"] = "Mon, 01 Jan 2024 00:00:00 +0000"
    if i % 4 == 0:
        m["References"] = " ".join(f"<{n}@example.org>" for n in range(i % 40))
    charset, text = random.choice(TEXTS)
    m.set_content(text * random.randrange(1, 40), charset=charset)
    if i % 5 == 0:
        m.add_alternative("<p>Grüße &amp; <b>mehr</b></p>", subtype="html")
    if i % 7 == 0:
        size = 7_500_000 if i in (0, 251) else 3000
        m.add_attachment(random.randbytes(size), maintype="application", subtype="octet-stream", filename=f"Anhang ä {i}.bin")
    if i % 11 == 0:
        inner = email.message.EmailMessage(policy=email.policy.SMTP)
        inner["Subject"] = "inside"
        inner.set_content("forwarded ✓\n")
        inner.add_alternative("<i>forwarded</i>", subtype="html")
        m.add_attachment(inner)
    return bytes(m).replace(b"\r\n", b"\n")


for i in range(*map(int, sys.argv[2:] or ["500"])):
    flags = "".join(f for f, every in (("F", 13), ("R", 6), ("S", 3)) if i % every == 0)
    with open(os.path.join(root, "cur", f"{i}.host:2,{flags}"), "wb") as file:
        file.write(message(i))
