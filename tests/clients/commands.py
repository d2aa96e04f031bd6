"""Commands in a mailbox, and what is said of them before the tagged answers. Its arguments: the port, the certificate, the mailbox, the commands."""
import socket
import ssl
import sys

port, certificate, mailbox, *commands = sys.argv[1:]
tls = ssl.create_default_context(cafile=certificate)
with tls.wrap_socket(socket.create_connection(("localhost", int(port)), 60), server_hostname="localhost") as connection:
    wire = connection.makefile("rwb")
    wire.readline()
    for line in ("LOGIN user pass", f'SELECT "{mailbox}"', *commands, "LOGOUT"):
        wire.write(f"a {line}\r\n".encode())
        wire.flush()
        said = []
        while not (said and said[-1].startswith(b"a ")):
            said.append(wire.readline())
        assert said[-1].startswith(b"a OK"), said
        if line in commands:
            sys.stdout.buffer.write(b"".join(said[:-1]))
