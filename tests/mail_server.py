"""A mail server that does as it is told: enough of SMTP (RFC 5321) on loopback to take a letter, or not.

    with MailServer("451", "250") as server:
        ...
        assert server.letters[0]["Subject"] == ...

The script is what it answers to the letters one after the other: a code, or `drop` after it has taken one. The last word stays.
"""

from __future__ import annotations

import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Self, cast


class Talking(StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.say("220 mail.example")
        while line := self.rfile.readline():
            verb = line[:4].strip().upper().decode()
            if verb == "DATA":
                self.say("354 go on")
                if not self.take():
                    return
            elif verb == "RCPT" and self.server.refuses:
                self.say("550 no such mailbox")
            else:
                self.say("221 bye" if verb == "QUIT" else "250 mail.example")

    def take(self) -> bool:
        lines = iter(self.rfile.readline, b".\r\n")
        word = self.server.next_word()
        letter = message_from_bytes(b"".join(lines), policy=policy.default)
        if word in ("250", "drop"):
            self.server.letters.append(cast(EmailMessage, letter))
        if word == "drop":
            return False
        self.say(f"{word} so it is")
        return True

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class MailServer(ThreadingTCPServer):
    """Listens on a free port of loopback while the block lasts."""

    daemon_threads = True

    def __init__(self, *script: str, refuses: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Talking)
        self.script = list(script) or ["250"]
        self.refuses = refuses
        self.letters: list[EmailMessage] = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def next_word(self) -> str:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def handle_error(self, *_: Any) -> None:
        pass

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
