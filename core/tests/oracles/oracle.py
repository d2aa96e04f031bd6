"""What Python's email package sees in mails: reads them from standard input, each behind its length in four octets, and writes lines `key hex`, a blank line behind each mail."""
import email
import email.header
import email.utils
import signal
import sys


def text(value):
    return str(email.header.make_header(email.header.decode_header(value)))


def unfold(value):
    return value.replace("\r\n", "").replace("\n", "").strip()


def leaf(part, at):
    octets = part.get_payload(decode=True)
    if octets is None:
        return
    if part.get_content_maintype() == "text":
        try:
            content = octets.decode(part.get_content_charset("us-ascii"))
        except (LookupError, UnicodeDecodeError):
            return
        yield f"body {at}", content.replace("\r\n", "\n").encode()
    else:
        yield f"body {at}", octets


def tree(message):
    """Types in the order they come with what is within in parentheses; then the leaves. No recursion."""
    names, leaves, todo = [], [], [message]
    while todo:
        part = todo.pop()
        if part is None:
            names.append(")")
            continue
        names.append(part.get_content_type())
        if part.is_multipart():
            names.append("(")
            todo.append(None)
            todo.extend(reversed(part.get_payload()))
        else:
            leaves.append(part)
    return " ".join(names), leaves


def summary(octets):
    message = email.message_from_bytes(octets)
    types, leaves = tree(message)
    yield "types", types.encode()
    for at, part in enumerate(leaves):
        yield from leaf(part, at)
        name = part.get_filename()
        if name is not None:
            yield f"name {at}", text(name).encode()
    if message["Subject"] is not None:
        yield "subject", text(unfold(str(message["Subject"]))).encode()
    for field in ("From", "To"):
        if message[field] is not None:
            pairs = email.utils.getaddresses([unfold(str(message[field]))])
            listed = "\n".join(f"{text(name)}<{address}>" for name, address in pairs if address)
            yield field.lower(), listed.encode()


def main():
    signal.alarm(120)
    read = sys.stdin.buffer.read
    while head := read(4):
        octets = read(int.from_bytes(head, "big"))
        try:
            for key, value in summary(octets):
                print(key.replace(" ", "_"), value.hex())
        except Exception as error:  # What it cannot read, it has no opinion of.
            print("error", repr(error).encode().hex())
        print(flush=True)


main()
