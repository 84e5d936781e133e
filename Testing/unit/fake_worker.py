"""A worker that misbehaves on request: put in the real one's place by the tests of the client.

Standard library only; the field ``mode`` of a request says what to do.
"""

import json
import os
import signal
import sys
import time


def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def raw(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def answer(message):
    mode, number = message.get("mode", "echo"), message["id"]
    if mode == "echo":
        say(event="result", id=number, echo=message.get("value"), environment=dict(os.environ), folder=sys.argv[2])
    elif mode == "progress":
        for done in range(message["total"]):
            say(event="progress", id=number, stage="Segmenting", done=done, total=message["total"], eta_s=None)
        say(event="result", id=number)
    elif mode == "stale":
        say(event="progress", id=number - 1, stage="Reading", done=1, total=1)
        say(event="result", id=number + 100)
        say(event="result", id=number, right=True)
    elif mode == "pieces":
        for byte in json.dumps({"event": "result", "id": number, "text": "é乳"}, ensure_ascii=False).encode() + b"\n":
            raw(bytes([byte]))
            time.sleep(0.002)
    elif mode == "garbage":
        sys.stderr.write("what the library said\n")
        sys.stderr.flush()
        raw(message["line"].encode("latin-1") + b"\n")
        time.sleep(60)
    elif mode == "truncated":
        raw(b'{"event": "result", "id": ')
        os._exit(0)
    elif mode == "exit":
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os._exit(message["code"])
    elif mode == "answer and exit":
        say(event="result", id=number, last=True)
        os._exit(0)
    elif mode == "signal":
        os.kill(os.getpid(), getattr(signal, message["name"]))
    elif mode == "close pipes":
        os.close(1)
        os.close(0)
        time.sleep(60)
    elif mode == "silent":
        time.sleep(message.get("seconds", 60))
        say(event="result", id=number)
    elif mode == "obey":
        while json.loads(sys.stdin.readline()).get("request") != "cancel":
            pass
        say(event="error", id=number, code="cancelled", message="Cancelled", hint="", log="")
    elif mode == "late":
        while json.loads(sys.stdin.readline()).get("request") != "cancel":
            pass
        say(event="result", id=number, late=True)


def main():
    say(event="ready", pid=os.getpid(), versions={})
    for line in sys.stdin:
        message = json.loads(line)
        if message["request"] == "shutdown":
            return
        if message["request"] != "cancel":
            answer(message)


if __name__ == "__main__":
    main()
