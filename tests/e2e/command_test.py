"""The watchword command, end to end: what people and scripts rely on."""

import json
import unittest

from harness import AUTH, Case, Command, Server, TRUST, UNAUTHENTICATED, free_port, new_password, remember

DONE, LOCAL, SERVER, REFUSED, NOT_LOGGED_IN = range(5)


class OneServer(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_shared(Server, cls.shared_folder)
        cls.password = cls.server.add_user("anna", scopes=["orders.read"])

    def setUp(self):
        super().setUp()
        self.watchword = Command(self.folder, self.server.address)

    def log_in(self, name="anna", *flags, password=None):
        passwords = {"anna": self.password, "admin": self.server.admin_password}
        return self.watchword.json("login", name, "--password-stdin", *flags, stdin=password or passwords[name])

    def token(self):
        code, out, err = self.watchword.run("token")
        self.assertEqual(code, DONE, err)
        return remember(out.strip())

    def assertExit(self, expected, *arguments, stdin="", says=""):
        code, out, err = self.watchword.run(*arguments, stdin=stdin)
        self.assertEqual(code, expected, out + err)
        if expected != DONE:
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertTrue(err.startswith("watchword"), err)
        self.assertIn(says, err)
        return out


class OneLogin(OneServer):
    def test_login_token_whoami_validate_refresh_logout(self):
        login = self.log_in("anna", "--audience", "orders", "--scope", "orders.read")
        self.assertEqual(login["username"], "anna")
        self.assertNotIn("credential", login)

        token = self.token()
        self.assertEqual(self.token(), token, "a good token is not renewed")
        whoami = self.watchword.json("whoami")
        self.assertEqual((whoami["username"], whoami["session_id"]), ("anna", login["session_id"]))
        self.assertEqual(self.watchword.json("validate"), whoami)
        self.assertEqual(whoami["audiences"], ["orders"])

        self.assertEqual(self.watchword.json("refresh")["session_id"], login["session_id"])
        renewed = self.token()
        self.assertNotEqual(renewed, token)
        self.assertActive(self.server.validate(renewed))

        self.assertExit(DONE, "logout")
        for each in (token, renewed):
            self.assertInactive(self.server.validate(each), "TOKEN_REVOKED")
        self.assertExit(NOT_LOGGED_IN, "token", says="watchword login")

    def test_session_token(self):
        self.assertEqual(self.log_in("anna", "--session-token")["kind"], "session_token")
        token = self.token()
        self.assertTrue(token.startswith("ww_s_"))
        self.assertEqual(self.watchword.json("whoami")["username"], "anna")
        self.assertExit(LOCAL, "refresh", says="never refreshed")
        self.assertExit(DONE, "logout")
        self.assertInactive(self.server.validate(token), "TOKEN_REVOKED")

    def test_logout_of_all_sessions_ends_those_of_other_machines(self):
        elsewhere = self.server.login("anna", self.password)["credential"]
        self.log_in()
        self.assertExit(DONE, "logout", "--all")
        self.assertInactive(self.server.validate(elsewhere), "TOKEN_REVOKED")

    def test_session_that_was_ended_elsewhere_is_reported(self):
        self.log_in()
        self.server.grpc.call(AUTH + "Logout", bearer=self.token())
        self.assertExit(REFUSED, "whoami", says="TOKEN_REVOKED")
        self.assertExit(REFUSED, "refresh", says="watchword login")
        self.assertExit(DONE, "logout")

    def test_files_are_for_their_owner_only(self):
        self.log_in()
        folder = self.watchword.state / "watchword"
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        files = list(folder.iterdir())
        self.assertGreater(len(files), 0)
        for file in files:
            self.assertEqual(file.stat().st_mode & 0o777, 0o600, file)
        kept = next(file for file in files if file.suffix == ".json")
        kept.chmod(0o644)
        self.assertExit(LOCAL, "token", says=str(kept))

    def test_text_and_json_say_the_same(self):
        self.log_in()
        text = self.assertExit(DONE, "whoami")
        for value in (self.watchword.json("whoami")["subject"], "anna"):
            self.assertIn(value, text)


class ExitCodes(OneServer):
    def test_wrong_usage_is_1(self):
        self.assertExit(LOCAL, "no-such-command")
        self.assertExit(LOCAL, "login")
        self.assertExit(LOCAL, "whoami", "--no-such-flag")
        self.assertExit(LOCAL, "login", "anna", "--password", "x", says="--password")
        self.assertExit(LOCAL, "login", "anna", "--password-stdin", stdin="")

    def test_server_that_is_away_is_2(self):
        nobody = Command(self.folder, f"127.0.0.1:{free_port()}")
        for arguments in (("health",), ("login", "anna", "--password-stdin")):
            code, out, err = nobody.run(*arguments, stdin=self.password)
            self.assertEqual((code, out), (SERVER, ""), err)
            self.assertIn("cannot reach", err)

    def test_wrong_password_is_3_and_says_the_same_of_unknown_users(self):
        errors = set()
        for name in ("anna", "nobody"):
            code, out, err = self.watchword.run("login", name, "--password-stdin", stdin=new_password())
            self.assertEqual((code, out), (REFUSED, ""))
            errors.add(err)
        self.assertEqual(len(errors), 1, errors)

    def test_missing_scope_is_3(self):
        self.log_in()
        self.assertExit(REFUSED, "user", "list", says="watchword.admin")

    def test_no_login_is_4(self):
        for arguments in (("token",), ("whoami",), ("logout",), ("refresh",), ("user", "list"), ("key", "list")):
            self.assertExit(NOT_LOGGED_IN, *arguments, says="watchword login")

    def test_help_names_everything_and_is_0(self):
        out = self.assertExit(DONE, "--help")
        for command in ("login", "token", "whoami", "validate", "refresh", "logout", "user", "session", "key",
                        "health", "verify", "password", "calibrate-hash"):
            self.assertIn(command, out)

    def test_health_of_the_server_and_of_a_service(self):
        self.assertExit(DONE, "health")
        self.assertExit(DONE, "health", "watchword.v1.AuthService")
        self.assertExit(SERVER, "health", "no.such.Service")


class Administration(OneServer):
    def setUp(self):
        super().setUp()
        self.log_in("admin")

    def test_users(self):
        password = new_password()
        added = self.watchword.json("user", "add", "Bert", "--scope", "orders.read", "--password-stdin", stdin=password)
        self.assertEqual((added["username"], added["scopes"]), ("bert", ["orders.read"]))
        self.assertExit(SERVER, "user", "add", "bert", "--password-stdin", stdin=password,
                        says="USER_EXISTS")
        users = {each["username"]: each for each in self.watchword.json("user", "list")}
        self.assertFalse(users["bert"]["disabled"])

        login = self.server.login("bert", password)
        self.assertExit(DONE, "user", "disable", "bert")
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        users = {each["username"]: each for each in self.watchword.json("user", "list")}
        self.assertTrue(users["bert"]["disabled"])
        self.assertExit(DONE, "user", "enable", "bert")

        changed = new_password()
        self.assertExit(DONE, "user", "passwd", "bert", "--password-stdin", stdin=changed)
        reply = self.server.grpc.call(AUTH + "Login", username="bert", password=password)
        self.assertServiceRefused(reply, UNAUTHENTICATED, "INVALID_CREDENTIALS")
        self.server.login("bert", changed)

    def test_service_accounts(self):
        file = self.folder / "account"
        out = self.assertExit(DONE, "service-account", "add", "billing", "--scope", "watchword.verifier", "--out", str(file))
        self.assertEqual(out, "")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        account = json.loads(file.read_text())
        remember(account["secret"])
        self.assertEqual(account["name"], "billing")
        login = self.server.login("billing", account["secret"])
        self.assertEqual(login["scopes"], ["watchword.verifier"])
        users = {each["username"]: each["kind"] for each in self.watchword.json("user", "list")}
        self.assertEqual((users["billing"], users["anna"]), ("service account", "user"))

        self.assertExit(DONE, "service-account", "rotate", "billing", "--out", str(file))
        rotated = remember(json.loads(file.read_text())["secret"])
        self.assertNotEqual(rotated, account["secret"])
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.server.login("billing", rotated)

    def test_service_account_that_cannot_be_made_leaves_no_file_and_no_file_is_overwritten(self):
        file = self.folder / "account"
        self.assertExit(SERVER, "service-account", "add", "anna", "--out", str(file), says="USER_EXISTS")
        self.assertFalse(file.exists())
        file.write_text("mine")
        self.assertExit(LOCAL, "service-account", "add", "payments", "--out", str(file), says=str(file))
        self.assertEqual(file.read_text(), "mine")
        users = [each["username"] for each in self.watchword.json("user", "list")]
        self.assertNotIn("payments", users)

    def test_rules_of_a_server(self):
        rules = {each["method"]: each for each in self.watchword.json("rules")}
        self.assertEqual(rules["/watchword.v1.AdminService/CreateUser"],
                         {"method": "/watchword.v1.AdminService/CreateUser", "rule": "all of watchword.admin",
                          "from": "proto"})
        self.assertEqual(rules["/watchword.v1.AuthService/Login"]["rule"], "anonymous")

    def test_logout_that_waits_says_who_knows(self):
        out = self.watchword.run("logout", "--wait")
        self.assertEqual(out[0], DONE, out)
        self.assertIn("0 of 0 services that watch have acknowledged it, 0 are lost", out[2])

    def test_sessions(self):
        password = self.server.add_user("carl")
        logins = [self.server.login("carl", password) for _ in range(2)]
        sessions = self.watchword.json("session", "list", "carl")
        self.assertEqual({each["session_id"] for each in sessions}, {each["session_id"] for each in logins})
        self.assertExit(DONE, "session", "revoke", logins[0]["session_id"])
        self.assertInactive(self.server.validate(logins[0]["credential"]), "TOKEN_REVOKED")
        self.assertActive(self.server.validate(logins[1]["credential"]))
        self.assertExit(DONE, "session", "revoke", "--user", "carl")
        self.assertInactive(self.server.validate(logins[1]["credential"]), "TOKEN_REVOKED")
        self.assertEqual(self.watchword.json("session", "list", "carl"), [])

    def test_keys(self):
        keys = self.watchword.json("key", "list")
        self.assertEqual([(each["algorithm"], each["state"]) for each in keys], [("ES256", "active")])

    def test_credential_of_somebody_else_is_judged_from_standard_input(self):
        token = self.server.login("anna", self.password)["credential"]
        self.assertEqual(self.watchword.json("validate", "-", stdin=token)["username"], "anna")
        out = self.assertExit(REFUSED, "validate", "-", stdin="nonsense", says="TOKEN_INVALID")
        self.assertIn("TOKEN_INVALID", out)


class WhenARefreshIsDue(Case):
    def test_parallel_commands_renew_once_and_keep_the_session(self):
        server = self.start(Server, self.folder, "--refresh-grace", "0s", "--access-token-ttl", "1s")
        watchword = Command(self.folder, server.address)
        self.assertEqual(watchword.run("login", "admin", "--password-stdin", stdin=server.admin_password)[0], DONE)
        for _ in range(3):  # a token that lives for 1 s is due each time
            running = [watchword.start("token") for _ in range(6)]
            for each in running:
                out, err = each.communicate(timeout=60)
                self.assertEqual(each.returncode, DONE, err)
                self.assertActive(server.validate(remember(out.strip())))
        self.assertEqual(watchword.run("whoami")[0], DONE)


class Verify(OneServer):
    LINES = 100_000

    def keys(self):
        path = self.folder / "jwks.json"
        path.write_text(json.dumps(self.server.grpc.call(TRUST + "GetJwks").response))
        return path

    def verify(self, lines, *flags):
        code, out, err = self.watchword.run("verify", "--jwks", str(self.keys()), *flags, stdin=lines)
        self.assertEqual((code, err), (DONE, ""))
        return [json.loads(line) for line in out.splitlines()]

    def test_judges_tokens_of_the_server_offline(self):
        login = self.server.login("anna", self.password, audiences=["orders"])
        verdicts = self.verify(f"{login['credential']}\n{login['credential'][:-3]}\n\n{login['refresh_token']}\n",
                               "--issuer", Server.ISSUER, "--audience", "orders")
        self.assertEqual([each["accepted"] for each in verdicts], [True, False, False, False])
        self.assertEqual(verdicts[0]["session_id"], login["session_id"])
        self.assertEqual({each["reason"] for each in verdicts[1:]}, {"TOKEN_INVALID"})
        for flags in (("--issuer", "https://elsewhere.test"), ("--audience", "billing")):
            self.assertFalse(self.verify(login["credential"], *flags)[0]["accepted"])

    def test_gives_100000_verdicts_in_order_and_never_stops_early(self):
        good = self.server.login("anna", self.password)["credential"]
        bad = ["", "nonsense", "a.b.c", good[:-1], good + "A", "\u20ac" * 20, "x" * 20_000, "ww_s_" + "A" * 49]
        every = 50
        lines = [good if i % every == 0 else bad[i % len(bad)] for i in range(self.LINES)]
        verdicts = self.verify("\n".join(lines) + "\n")
        self.assertEqual(len(verdicts), self.LINES)
        self.assertEqual([i for i, each in enumerate(verdicts) if each["accepted"]], list(range(0, self.LINES, every)))

    def test_missing_or_wrong_keys_stop_it_with_one_line(self):
        self.assertExit(LOCAL, "verify")
        self.assertExit(LOCAL, "verify", "--jwks", "/no/such", says="/no/such")
        wrong = self.folder / "wrong.json"
        wrong.write_text("{")
        self.assertExit(LOCAL, "verify", "--jwks", str(wrong), says=str(wrong))


if __name__ == "__main__":
    unittest.main()
