#!/usr/bin/env python3
"""Clients that follow /api/v1/events over TLS: how many are served, how late states arrive.

clients.py URL TOKEN COUNT SECONDS
"""
import asyncio
import datetime
import json
import ssl
import statistics
import sys
import urllib.parse

url, token, count, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
where = urllib.parse.urlparse(url)
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
late, served, refused = [], set(), []


async def follow(number, until):
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context, limit=1 << 20)
    writer.write(f"GET /api/v1/events HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        refused.append(head.split(b"\r\n")[0].decode())
        return
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            line = await asyncio.wait_for(reader.readline(), left)
        except asyncio.TimeoutError:
            break
        if not line:
            break
        if line.startswith(b"data: "):
            arrived = datetime.datetime.now(datetime.timezone.utc)
            at = json.loads(line[6:])["at"]
            at = datetime.datetime.fromisoformat(at[:26].rstrip("Z") + "+00:00")
            if number in served:
                late.append((arrived - at).total_seconds() * 1000)
            served.add(number)
    writer.close()


async def main():
    until = asyncio.get_running_loop().time() + seconds
    await asyncio.gather(*(follow(number, until) for number in range(count)), return_exceptions=False)
    late.sort()
    pick = lambda share: late[min(len(late) - 1, int(len(late) * share))] if late else float("nan")
    print(f"{len(served)} of {count} clients served, {len(late)} states, "
          f"late by {statistics.median(late):.0f} ms (median), {pick(0.95):.0f} ms (95 %), {pick(1):.0f} ms (most)")
    if refused:
        print("refused:", refused[0], len(refused))
    sys.exit(0 if len(served) == count else 1)


asyncio.run(main())
