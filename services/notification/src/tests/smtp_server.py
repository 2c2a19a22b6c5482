"""A real mail server (aiosmtpd): prints its port, then each mail it took as a line of JSON."""

import asyncio
import email
import json
import sys
from email import policy

from aiosmtpd.smtp import SMTP


class Printer:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=policy.default)
        part = lambda kind: mail.get_body((kind,)).get_content()
        print(json.dumps({
            "id": mail["message-id"],
            "to": envelope.rcpt_tos,
            "headers": [name.lower() for name in mail.keys()],
            "subject": mail["subject"],
            "defects": [str(d) for p in mail.walk() for d in p.defects],
            "plain": part("plain"),
            "html": part("html"),
        }), flush=True)
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Printer()), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
