"""A worker that misbehaves on request: put in the real one's place by the tests of the client.

Standard library only; the field ``mode`` of a request says what to do.
"""

import json
import os
import signal
import subprocess
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
    elif mode == "close output":
        os.close(1)
        time.sleep(60)
    elif mode == "die at":
        for event in message["events"]:
            line = (json.dumps({"id": number, **event}) + "\n").encode()
            if event["event"] == message["kind"]:
                raw(line[: round(len(line) * message["share"])])
                os.kill(os.getpid(), signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
            raw(line)
    elif mode == "long line":
        for _ in range(message["count"]):
            raw(b"x" * message["size"])
        time.sleep(60)
    elif mode == "long answer":
        say(event="result", id=number, text="x" * message["size"])
    elif mode == "flood":
        line = (
            json.dumps({"event": "progress", "id": number, "stage": "Reading", "done": 0, "total": 1}).encode() + b"\n"
        )
        while True:
            raw(line * 1000)
    elif mode == "bytes":
        raw(bytes.fromhex(message["hex"]))
        time.sleep(60)
    elif mode == "chatter after":
        say(event="result", id=number, right=True)
        for kind in ("progress", "result", "error", "ready"):
            say(
                event=kind,
                id=number,
                stage="Reading",
                done=1,
                total=1,
                code="bad-input",
                message="late",
                pid=os.getpid(),
            )
    elif mode == "grandchild":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        say(event="progress", id=number, stage="Reading", done=0, total=1, child=child.pid)
        if message.get("end"):
            os._exit(5)
        time.sleep(60)
    elif mode == "stopped":
        say(event="progress", id=number, stage="Reading", done=0, total=1)
        os.kill(os.getpid(), signal.SIGSTOP)
    elif mode == "deaf":
        time.sleep(message["seconds"])
        say(event="result", id=number, size=len(json.loads(sys.stdin.readline())["text"]))
    elif mode == "size":
        say(event="result", id=number, size=len(message["text"]))
    elif mode == "log":
        for number_of_line in range(message["lines"]):
            sys.stderr.write(f"line {number_of_line}\n")
        sys.stderr.flush()
        say(event="result", id=number)
    elif mode == "idle":
        say(event="result", id=number)
        time.sleep(message["seconds"])
        say(event="ended", reason="idle")
        time.sleep(message.get("linger", 0.0))
        os._exit(0)
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


def start():
    """Say ready, or die as the environment says, once: the file that it names is there only for the first start."""
    once = os.environ.get("FAKE_DIES_ONCE", "")
    if once and os.path.exists(once):
        with open(once) as stream:
            share = float(stream.read())
        os.unlink(once)
        line = (json.dumps({"event": "ready", "pid": os.getpid(), "versions": {}}) + "\n").encode()
        raw(line[: round(len(line) * share)])
        os._exit(9)
    time.sleep(float(os.environ.get("FAKE_STARTS_SLOWLY", "0")))
    say(event="ready", pid=int(os.environ.get("FAKE_PID", os.getpid())), versions={})


def main():
    start()
    for line in iter(sys.stdin.readline, ""):  # no reading ahead: some modes read a line themselves
        message = json.loads(line)
        if message["request"] == "shutdown":
            return
        if message["request"] != "cancel":
            answer(message)


if __name__ == "__main__":
    main()
