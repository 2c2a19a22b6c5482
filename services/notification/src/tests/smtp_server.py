"""A real mail server (aiosmtpd): prints its port, then each mail it took as a line of JSON.

Arguments: plain, or starttls or smtps with a certificate and its key.
"""

import asyncio
import email
import json
import ssl
import sys
from email import policy

from aiosmtpd.smtp import SMTP


class Printer:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=policy.default)
        part = lambda kind: mail.get_body((kind,)).get_content()
        print(json.dumps({
            "encrypted": server.transport.get_extra_info("cipher") is not None,
            "id": mail["message-id"],
            "to": envelope.rcpt_tos,
            "headers": [name.lower() for name in mail.keys()],
            "subject": mail["subject"],
            "defects": [str(d) for p in mail.walk() for d in p.defects],
            "plain": part("plain"),
            "html": part("html"),
        }), flush=True)
        return "250 OK"


def context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def main(kind, *files):
    loop = asyncio.get_running_loop()
    tls = context(*files) if files else None
    starttls = {"tls_context": tls, "require_starttls": True} if kind == "starttls" else {}
    wrapper = tls if kind == "smtps" else None
    server = await loop.create_server(
        lambda: SMTP(Printer(), **starttls), "127.0.0.1", 0, ssl=wrapper
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))
