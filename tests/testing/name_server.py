"""A DNS server for one name, whose addresses change as a headless Service's do."""

import socket
import struct
import threading

A, IN, NAME_ERROR, AUTHORITATIVE_ANSWER = 1, 1, 3, 0x8400
TIME_TO_LIVE = 0  # as that of a cluster's DNS server, nearly: nobody in between remembers


class NameServer:
    """Answers on port 53 of an address, until closed. Thread-safe."""

    def __init__(self, name, host="127.0.0.1"):
        self._name = name.lower()
        self._lock, self._addresses = threading.Lock(), []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def publish(self, addresses):
        with self._lock:
            self._addresses = list(addresses)

    def close(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                query, client = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(query), client)
            except OSError:
                return

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        known = ".".join(labels).lower() == self._name
        with self._lock:
            addresses = list(self._addresses) if known and kind == A else []
        header = query[:2] + struct.pack(">HHHHH", AUTHORITATIVE_ANSWER | (0 if known else NAME_ERROR), 1,
                                         len(addresses), 0, 0)
        answers = (struct.pack(">HHHIH", 0xC00C, A, IN, TIME_TO_LIVE, 4) + socket.inet_aton(each)
                   for each in addresses)
        return header + query[12:at + 5] + b"".join(answers)
