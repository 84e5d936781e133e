"""Reading and writing lines through pipes without waiting."""

import json
import os
import sys
import time

import pytest
from BreastSegLib.inference import linepipe
from BreastSegLib.inference.linepipe import LinePipe, LineSink
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
MESSAGES = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), max_size=12)


class Ends:
    """Both ends of a pipe; `write` takes bytes, `pipe` reads them."""

    def __init__(self, **options):
        reading, self.writing = os.pipe()
        self.stream = os.fdopen(reading, "rb", buffering=0)
        self.pipe = LinePipe(self.stream, **options)

    def write(self, data):
        os.write(self.writing, data)

    def finish(self):
        os.close(self.writing)
        self.writing = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipe.close()
        if self.writing is not None:
            os.close(self.writing)


def lines_of(messages, ascii_only=True):
    return b"".join(
        json.dumps(message, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") + b"\n" for message in messages
    )


@settings(max_examples=80, deadline=None)
@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 4000), max_size=10))
def test_messages_arrive_whole_and_in_order_however_they_are_cut(messages, cuts):
    data = lines_of(messages)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    with Ends() as ends:
        read = []
        for start, stop in zip(edges, edges[1:]):
            ends.write(data[start:stop])
            read += ends.pipe.read()
            assert ends.pipe.drained and not ends.pipe.broken
        assert read == messages
        ends.finish()
        assert ends.pipe.read() == [] and ends.pipe.ended


@settings(max_examples=80, deadline=None)
@given(before=MESSAGES, rubbish=st.binary(max_size=200), after=MESSAGES, cut=st.integers(1, 100))
def test_any_bytes_are_messages_or_break_the_pipe(before, rubbish, after, cut):
    """What came before is kept, nothing after a bad line is believed, and no bytes raise."""
    data = lines_of(before) + rubbish + b"\n" + lines_of(after)
    with Ends() as ends:
        read = []
        for start in range(0, len(data), cut):
            ends.write(data[start : start + cut])
            read += ends.pipe.read()
        assert read[: len(before)] == before
        assert all(isinstance(message, dict) for message in read)
        if ends.pipe.broken:
            assert "\n" not in ends.pipe.broken and len(ends.pipe.broken) < 200
            assert ends.pipe.read() == []
        else:
            assert read[len(read) - len(after) :] == after


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 3000), limit=st.integers(1, 3000), cut=st.integers(1, 500), ended=st.booleans())
def test_the_length_of_a_line_is_bounded_whether_or_not_it_ends(size, limit, cut, ended):
    line = json.dumps({"": "x" * size}).encode()
    with Ends(limit=limit) as ends:
        read = []
        data = line + (b"\n" if ended else b"")
        for start in range(0, len(data), cut):
            ends.write(data[start : start + cut])
            read += ends.pipe.read()
            assert len(ends.pipe._rest) <= limit
        if len(line) > limit:
            assert f"longer than {limit:,} bytes" in ends.pipe.broken and read == []
        else:
            assert not ends.pipe.broken and len(read) == ended


@pytest.mark.parametrize(
    "line", [b"", b"\r", b"[]", b"1", b"{", b"\xff", b"\xef\xbb\xbf{}", b"{}x", b'{"a": 1} {"b": 2}']
)
def test_a_line_that_is_no_object_breaks_the_pipe(line):
    with Ends() as ends:
        ends.write(b'{"good": 1}\n' + line + b'\n{"late": 1}\n')
        assert ends.pipe.read() == [{"good": 1}]
        assert "not a message" in ends.pipe.broken


def test_half_a_line_at_the_end_is_dropped():
    with Ends() as ends:
        ends.write(b'{"a": 1}\n{"b": ')
        ends.finish()
        assert ends.pipe.read() == [{"a": 1}]
        assert ends.pipe.ended and not ends.pipe.broken


def test_nothing_to_read_returns_at_once():
    with Ends() as ends:
        began = time.perf_counter()
        assert ends.pipe.read() == [] and ends.pipe.drained and not ends.pipe.ended
        assert time.perf_counter() - began < 0.05


def test_one_call_takes_no_more_than_its_share(monkeypatch):
    monkeypatch.setattr(linepipe, "READ_AT_ONCE", 100)
    monkeypatch.setattr(linepipe, "CHUNK", 60)
    with Ends() as ends:
        ends.write(lines_of([{"number": 1}] * 50))
        assert len(ends.pipe.read()) < 50 and not ends.pipe.drained
        read = 0
        while not ends.pipe.drained:
            read += len(ends.pipe.read())
        assert read > 0


def test_a_closed_pipe_reads_nothing():
    with Ends() as ends:
        ends.write(b'{"a": 1}\n')
        ends.stream.close()
        assert ends.pipe.read() == [] and ends.pipe.ended


def test_a_long_line_takes_time_in_proportion_to_its_length():
    """Looking for the line's end again and again from its beginning would take minutes here."""
    with Ends() as ends:
        os.set_blocking(ends.writing, False)
        data, began = json.dumps({"text": "x" * (24 << 20)}).encode() + b"\n", time.perf_counter()
        sink, read = LineSink(os.fdopen(os.dup(ends.writing), "wb", buffering=0)), []
        sink.write(data)
        while not read:
            sink.flush()
            read += ends.pipe.read()
        sink.close()
        assert len(read[0]["text"]) == 24 << 20
        assert time.perf_counter() - began < 10


# --- writing ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(st.binary(max_size=100_000), max_size=6), share=st.integers(1, 200_000))
def test_everything_written_arrives_in_order(pieces, share):
    reading, writing = os.pipe()
    sink, arrived = LineSink(os.fdopen(writing, "wb", buffering=0)), b""
    os.set_blocking(reading, False)
    for piece in pieces:
        sink.write(piece)
    while sink.waiting:
        arrived += os.read(reading, share)
        sink.flush()
    sink.close()
    while chunk := os.read(reading, share):
        arrived += chunk
    os.close(reading)
    assert arrived == b"".join(pieces)


def test_a_reader_that_does_not_read_is_not_waited_for():
    reading, writing = os.pipe()
    sink, began = LineSink(os.fdopen(writing, "wb", buffering=0)), time.perf_counter()
    sink.write(b"x" * 3_000_000)
    assert time.perf_counter() - began < 0.5
    assert 0 < sink.waiting < 3_000_000
    os.close(reading)
    sink.flush()
    assert sink.waiting == 0  # nobody will ever read it
    sink.write(b"more")
    sink.close()
    sink.write(b"after the end")
    assert sink.waiting == 0


# --- Windows before Python 3.12, where pipes cannot be set to non-blocking ------------------------------------------


def test_old_windows_looks_before_it_reads(monkeypatch):
    class Winapi:
        BYTES = [0, 5, 0]

        @classmethod
        def PeekNamedPipe(cls, handle, size):  # noqa: N802 (its name in Python's own module)
            if not cls.BYTES:
                raise BrokenPipeError
            return cls.BYTES.pop(0), 0

    class Msvcrt:
        @staticmethod
        def get_osfhandle(number):
            return number

    monkeypatch.setitem(sys.modules, "_winapi", Winapi)
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    reading, writing = os.pipe()
    stream = os.fdopen(reading, "rb", buffering=0)
    pipe = LinePipe(stream)
    os.set_blocking(reading, True)
    pipe._available = linepipe._windows_peek(stream)
    assert pipe.read() == [] and not pipe.ended
    os.write(writing, b"{}\n")
    assert pipe.read() == [{}]  # one chunk, then the peek says that no more is there
    os.close(writing)
    assert pipe.read() == [] and pipe.ended
    pipe.close()
