"""A network that silently drops what is sent: noticed by the heartbeats that are missing, not by TCP, minutes later."""

import socket
import threading
import time
import unittest

from harness import AUTH, Case, OK, ORDERS, Orders, Server, UNAVAILABLE, until


class Gateway:
    """Hands bytes through, until it is told to swallow what goes over the connections that there are."""

    def __init__(self, target_port):
        self.target_port, self.swallowed, self.connections = target_port, set(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                pair = (self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.target_port)))
            except OSError:
                return
            self.connections.append(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self.pump, args=(pair, source, sink), daemon=True).start()

    def pump(self, pair, source, sink):
        try:
            while data := source.recv(65536):
                if pair not in self.swallowed:
                    sink.sendall(data)
            if pair not in self.swallowed:  # nobody hears of an end either
                sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def swallow(self):
        self.swallowed.update(self.connections)

    def close(self):
        self.listener.close()
        for pair in self.connections:
            for each in pair:
                each.close()


class HalfOpen(Case):
    def test_dropped_packets_are_noticed_by_the_heartbeats_that_are_missing(self):
        server = self.start(Server, self.folder)
        gateway = Gateway(server.port)
        self.addCleanup(gateway.close)
        orders = self.start(Orders, gateway.address, server.service_account())
        password = server.add_user("anna", scopes=["orders.write"])
        credential = server.login("anna", password, audiences=["orders"])["credential"]
        cancel = lambda: orders.grpc.call(ORDERS + "CancelOrder", bearer=credential, order="1")  # noqa: E731
        until(lambda: cancel().code == OK)
        began, before = time.monotonic(), len(gateway.connections)
        gateway.swallow()
        until(lambda: orders.stderr().count("reason=silence") > 0)
        noticed = time.monotonic() - began
        print(f"noticed after {noticed:.1f} s")
        self.assertLess(noticed, 10)  # two heartbeats, and what a loaded machine needs; TCP takes a quarter of an hour
        until(lambda: cancel().code == UNAVAILABLE)  # its rule takes no risk
        self.assertEqual(orders.list(credential).code, OK)
        # The connection is given up, and another one made.
        until(lambda: cancel().code == OK)
        self.assertGreater(len(gateway.connections), before)
        self.assertEqual(server.grpc.call(AUTH + "Logout", bearer=credential, wait_for_verifiers=True).code, OK)
        until(lambda: orders.list(credential).reason == "TOKEN_REVOKED")


if __name__ == "__main__":
    unittest.main()
