"""The life of signing keys, with real verifiers: nobody notices a rotation, and a compromised key is refused at once."""

import base64
import json
import secrets
import signal
import threading
import time
import unittest
import urllib.request

from harness import (ADMIN, AUTH, Case, Command, INVALID_ARGUMENT, NOT_FOUND, OK, Orders, PERMISSION_DENIED, Process,
                     Server, UNAUTHENTICATED, remember, until)

SOON = ("--key-publication-time", "5s")


def key_of(credential):
    header = credential.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


class KeysCase(Case):
    FLAGS = ()

    def setUp(self):
        super().setUp()
        self.server = self.start(Server, self.folder, *self.FLAGS)
        self.password = self.server.add_user("anna", scopes=["orders.read"])
        self.admin = self.server.login()["credential"]

    def start_orders(self):
        orders = self.start(Orders, self.server.address, self.server.service_account())
        orders.wait_for_trust(self.login()["credential"])
        return orders

    def login(self):
        return self.server.login("anna", self.password, audiences=["orders", Server.ISSUER])

    def must(self, method, **request):
        reply = self.server.grpc.call(ADMIN + method, bearer=self.admin, **request)
        self.assertEqual(reply.code, OK, reply)
        return reply.response

    def states(self):
        """The state of each key, by its id."""
        return {key["kid"]: key["state"].removeprefix("SIGNING_KEY_STATE_").lower()
                for key in self.must("ListSigningKeys")["keys"]}

    def published(self):
        """The ids of the keys that everybody can fetch."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}/.well-known/jwks.json") as answer:
            return {key["kid"] for key in json.load(answer)["keys"]}


class Rotation(KeysCase):
    FLAGS = SOON

    def test_under_load_no_call_fails_at_a_verifier(self):
        orders = self.start_orders()
        stop, answers, keys = threading.Event(), [], set()

        def call_all_the_time():
            while not stop.is_set():
                credential = self.login()["credential"]
                keys.add(key_of(credential))
                answers.append(orders.list(credential).code)
        threads = [threading.Thread(target=call_all_the_time) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                new = self.must("RotateSigningKey")["key"]["kid"]
                until(lambda new=new: self.states()[new] == "active")
                until(lambda new=new: new in keys)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(set(answers), {OK})
        self.assertEqual(len(keys), 4)
        self.assertEqual(sorted(self.states().values()), ["active", "retired", "retired", "retired"])

    def test_a_verifier_that_does_not_acknowledge_is_waited_for_but_not_with_now(self):
        orders = self.start_orders()
        old = key_of(self.login()["credential"])
        orders.process.send_signal(signal.SIGSTOP)  # its connection stays open
        new = self.must("RotateSigningKey")["key"]["kid"]
        self.assertEqual(self.states()[new], "published")
        self.assertIn(new, self.published(), "it can be fetched before it signs")
        self.assertEqual(key_of(self.login()["credential"]), old)
        self.assertEqual(self.must("RotateSigningKey", now=True)["key"]["kid"], new)
        self.assertEqual(key_of(self.login()["credential"]), new)
        self.assertEqual(self.states()[old], "retired")
        self.assertEqual(self.published(), {old, new})
        orders.process.send_signal(signal.SIGCONT)
        until(lambda: orders.list(self.login()["credential"]).code == OK)

    def test_keys_rotate_by_themselves(self):
        self.server.end()
        server = self.start(Server, self.folder, *SOON, "--key-rotation-period", "2s",
                            admin_password=self.server.admin_password)
        first = key_of(server.login()["credential"])
        until(lambda: key_of(server.login()["credential"]) != first)
        self.assertEqual(server.validate(server.login()["credential"])["active"], True)

    def test_metrics_say_how_old_the_key_is_and_how_many_there_are(self):
        self.must("RotateSigningKey", now=True)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}/metrics") as answer:
            metrics = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
        self.assertLess(float(metrics["watchword_signing_key_age_seconds"]), 60)
        self.assertEqual([float(metrics[f"watchword_signing_keys_{state}"])
                          for state in ("published", "active", "retired")], [0, 1, 1])


class Compromise(KeysCase):
    def test_what_the_key_has_signed_is_refused_within_a_second_and_sessions_go_on(self):
        orders = self.start_orders()
        login = self.login()
        stolen = key_of(login["credential"])
        self.assertEqual(orders.list(login["credential"]).code, OK)
        self.must("RetireSigningKey", kid=stolen, compromised=True)
        began = time.monotonic()
        until(lambda: orders.list(login["credential"]).code != OK)
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(orders.list(login["credential"]).code, UNAUTHENTICATED)
        self.assertNotEqual(self.server.validate(login["credential"]).get("active"), True)
        self.assertNotIn(stolen, self.published())
        fresh = self.server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"]).response
        remember(fresh["credential"])
        self.assertNotEqual(key_of(fresh["credential"]), stolen)
        until(lambda: orders.list(fresh["credential"]).code == OK)
        self.admin = self.server.login()["credential"]
        self.assertEqual(list(self.states().values()), ["active"])
        lines = [json.loads(line) for line in self.server.lines]
        changes = [line["detail"] for line in lines if line.get("event") == "signing_key_changed"]
        self.assertEqual(changes, [f"{stolen} compromised", f"{key_of(fresh['credential'])} active"])

    def test_it_stays_refused_after_a_restart(self):
        credential = self.login()["credential"]
        self.must("RetireSigningKey", kid=key_of(credential), compromised=True)
        self.server.end()
        server = self.start(Server, self.folder, admin_password=self.server.admin_password)
        self.assertNotEqual(server.validate(credential).get("active"), True)

    def test_what_is_no_key_or_was_not_compromised_is_told_apart(self):
        call = self.server.grpc.call
        self.assertServiceRefused(call(ADMIN + "RetireSigningKey", bearer=self.admin, kid="nobody", compromised=True),
                                  NOT_FOUND, "SIGNING_KEY_NOT_FOUND")
        self.assertServiceRefused(call(ADMIN + "RetireSigningKey", bearer=self.admin, kid="nobody"), INVALID_ARGUMENT,
                                  "INVALID_ARGUMENT", "compromised")
        self.assertServiceRefused(call(ADMIN + "RetireSigningKey", bearer=self.admin, compromised=True),
                                  INVALID_ARGUMENT, "INVALID_ARGUMENT", "kid")
        self.assertEqual(list(self.states().values()), ["active"])

    def test_only_administrators_change_keys(self):
        credential = self.login()["credential"]
        for method in ("RotateSigningKey", "RetireSigningKey"):
            self.assertRefused(self.server.grpc.call(ADMIN + method, bearer=credential), PERMISSION_DENIED,
                               "INSUFFICIENT_SCOPE")


class TheCommand(KeysCase):
    FLAGS = SOON

    def test_keys_are_listed_rotated_and_retired(self):
        command = Command(self.folder, self.server.address)
        command.json("login", "admin", "--password-stdin", stdin=self.server.admin_password)
        before = command.json("key", "list")
        self.assertEqual([key["state"] for key in before], ["active"])
        rotated = command.json("key", "rotate", "--now")
        self.assertEqual(rotated["state"], "active")
        self.assertEqual([key["state"] for key in command.json("key", "list")], ["active", "retired"])
        code, _, err = command.run("key", "retire", before[0]["kid"])
        self.assertNotEqual(code, 0)
        self.assertIn("--compromised", err)
        self.assertEqual(command.run("key", "retire", rotated["kid"], "--compromised")[0], 0)
        # The command's own credential was signed by the key before.
        self.assertNotIn(rotated["kid"], [key["kid"] for key in command.json("key", "list")])


class KeyFile(KeysCase):
    def restart(self):
        self.server.end()
        self.server = self.start(Server, self.folder, admin_password=self.server.admin_password)

    def write(self, *keys):
        self.path.write_text("".join(key + "\n" for key in keys))

    def test_another_key_encryption_key_takes_over_and_the_old_one_opens_nothing_any_more(self):
        self.path = self.server.data / "key-encryption-key"
        old = remember(self.path.read_text().strip())
        new = remember(secrets.token_urlsafe(32))
        login = self.login()
        self.write(new, old)
        self.restart()
        self.server.wait_for_message("sealed keys anew under the first key of the key file")
        self.write(new)
        self.restart()
        self.assertTrue(self.server.validate(login["credential"])["active"])
        reply = self.server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"])
        self.assertEqual(reply.code, OK, reply)

        self.server.end()
        self.write(old)
        refused = Process(*self.server.command)
        self.assertNotEqual(refused.wait(), 0)
        self.assertIn("does not open", refused.output())
        self.assertIn("--key-file", refused.output())
        refused.close()
        self.write(new)
        self.start(Server, self.folder, admin_password=self.server.admin_password)

    def test_keys_that_are_made_while_the_server_runs_are_sealed_with_the_file_as_it_is_then(self):
        self.path = self.server.data / "key-encryption-key"
        old = remember(self.path.read_text().strip())
        new = remember(secrets.token_urlsafe(32))
        self.write(new, old)
        self.must("RotateSigningKey", now=True)
        self.restart()
        self.write(new)
        self.restart()
        self.assertTrue(self.server.validate(self.login()["credential"])["active"])


if __name__ == "__main__":
    unittest.main()
