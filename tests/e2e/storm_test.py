"""Garbage sent to a protected service: the service refuses it by itself, and the auth service does not notice."""

import json
import re
import subprocess
import threading
import unittest
import urllib.request

from harness import Case, OK, Orders, Server, TEST_BIN, clean_environment, memory_of

CALLS = 100_000
# What a gate may ask of the auth service about session tokens, and how many it may ask about at once.
LOOK_UPS_PER_SECOND, BURST = 100, 200


class Storm(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_shared(Server, cls.shared_folder)
        cls.orders = cls.start_shared(Orders, cls.server.address, cls.server.service_account())
        cls.known = cls.server.login(audiences=["orders"], kind="CREDENTIAL_KIND_SESSION_TOKEN")["credential"]
        cls.orders.wait_for_trust(cls.known)
        assert cls.orders.list(cls.known).code == OK

    def calls_of_the_auth_service(self):
        """How many calls it has answered, by method; those of feeds, which go on, are not yet among them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}/metrics") as answer:
            text = answer.read().decode()
        counts = {}
        for method, count in re.findall(r'^watchword_rpcs_total\{[^}]*method="[^"]*?(\w+)"[^}]*\} (\d+)', text, re.MULTILINE):
            counts[method] = counts.get(method, 0) + int(count)
        return counts

    def storm(self, kind):
        """Sends the calls, while somebody with a good credential goes on calling. (answers, seconds, new calls)"""
        over, failures = threading.Event(), []

        def go_on():
            while not over.is_set():
                reply = self.orders.list(self.known)
                if reply.code != OK:
                    failures.append(reply)
        bystander = threading.Thread(target=go_on)
        before, memory = self.calls_of_the_auth_service(), memory_of(self.orders)
        bystander.start()
        try:
            done = subprocess.run([TEST_BIN / "token_storm", "--address", self.orders.address, "--kind", kind, "--calls",
                                   str(CALLS)], capture_output=True, text=True, timeout=200, env=clean_environment())
        finally:
            over.set()
            bystander.join()
        self.assertEqual(done.returncode, 0, done.stderr)
        after = self.calls_of_the_auth_service()
        result = json.loads(done.stdout)
        self.assertEqual(sum(result["answers"].values()), CALLS)
        self.assertEqual(failures, [], "a good caller was refused")
        self.assertLess(memory_of(self.orders) - memory, 96 << 20, "the service keeps garbage")
        print(f"{kind}: {CALLS / result['seconds']:.0f} calls a second, {result['answers']}")
        return result["answers"], result["seconds"], {name: after[name] - before.get(name, 0) for name in after}

    def test_malformed_session_tokens_are_refused_without_asking(self):
        answers, _, asked = self.storm("malformed")
        self.assertEqual(answers, {"TOKEN_INVALID": CALLS})
        self.assertEqual(asked.get("Validate", 0), 0)

    def test_keys_that_there_are_not_are_not_asked_for(self):
        answers, _, asked = self.storm("access-token")
        self.assertEqual(answers, {"TOKEN_INVALID": CALLS})
        self.assertEqual([asked.get(name, 0) for name in ("Validate", "GetJwks", "Watch")], [0, 0, 0])

    def test_session_tokens_that_were_never_given_out_are_asked_about_within_the_limit(self):
        answers, seconds, asked = self.storm("session-token")
        self.assertEqual(set(answers) - {"TOKEN_INVALID", "LOOKUP_LIMITED"}, set(), answers)
        self.assertGreater(answers["LOOKUP_LIMITED"], 0)
        self.assertEqual(answers["TOKEN_INVALID"], asked["Validate"])
        self.assertLessEqual(asked["Validate"], BURST + LOOK_UPS_PER_SECOND * (seconds + 1))


if __name__ == "__main__":
    unittest.main()
