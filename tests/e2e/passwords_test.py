"""Passwords, end to end: changing the own one, importing the hashes of another system, and what may not be set."""

import json
import unittest

from harness import (ADMIN, AUTH, Case, Command, FAILED_PRECONDITION, INVALID_ARGUMENT, OK, PERMISSION_DENIED,
                     RESOURCE_EXHAUSTED, Server, UNAUTHENTICATED, new_password, remember)

DONE, LOCAL, SERVER, REFUSED, NOT_LOGGED_IN = range(5)

# Made elsewhere (see the unit tests of the formats), with their passwords.
FOREIGN = {
    "argon": ("password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
    "bcrypt": ("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "sha512": ("Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEd"
                               "FCoEOfaS35inz1"),
    "yescrypt": ("abc", "$y$j75$.......$stbr2M6i8w/SU36N/.i6VVEHCMYG2OkDpj/I1wKYZC4"),
    "scrypt": ("pleaseletmein", "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D"),
    "pbkdf2": ("password", "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"),
    "django": ("l\u00e8tmein", "pbkdf2_sha256$24000$seasalt$V9DfCAVoweeLwxC/L2mb+7swhzF0XYdyQMqmusZqiTc="),
}


class OneServer(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_shared(Server, cls.shared_folder)
        cls.grpc = cls.server.grpc
        cls.admin = cls.server.login()["credential"]
        for _, password_hash in FOREIGN.values():
            remember(password_hash)

    def setUp(self):
        super().setUp()
        self.watchword = Command(self.folder, self.server.address)

    def change(self, bearer, current, wanted):
        return self.grpc.call(AUTH + "ChangePassword", bearer=bearer, current_password=current, new_password=wanted)


class ChangePassword(OneServer):
    def test_ends_all_sessions_and_leaves_only_the_new_password(self):
        old, new = self.server.add_user("anna"), new_password()
        own = self.server.login("anna", old, audiences=["orders"])
        other = self.server.login("anna", old, kind="CREDENTIAL_KIND_SESSION_TOKEN")
        self.assertEqual(self.change(own["credential"], old, new).code, OK)
        for login in (own, other):
            self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.assertServiceRefused(self.grpc.call(AUTH + "Login", username="anna", password=old),
                                  UNAUTHENTICATED, "INVALID_CREDENTIALS")
        self.server.login("anna", new)

    def test_needs_a_live_credential_and_the_current_password(self):
        password = self.server.add_user("bert")
        own = self.server.login("bert", password)["credential"]
        self.assertServiceRefused(self.change(None, password, new_password()), UNAUTHENTICATED, "TOKEN_MISSING")
        self.assertServiceRefused(self.change("nonsense", password, new_password()), UNAUTHENTICATED, "TOKEN_INVALID")
        self.assertServiceRefused(self.change(own, new_password(), new_password()),
                                  UNAUTHENTICATED, "INVALID_CREDENTIALS")
        for wanted in ("short", "passwordpassword", "bertbertbertbert", "x" * 1025):
            self.assertServiceRefused(self.change(own, password, wanted), INVALID_ARGUMENT, "INVALID_ARGUMENT",
                                      "new_password")
        self.assertActive(self.server.validate(own))
        self.grpc.call(AUTH + "Logout", bearer=own)
        self.assertServiceRefused(self.change(own, password, new_password()), UNAUTHENTICATED, "TOKEN_REVOKED")
        self.server.login("bert", password)

    def test_service_account_has_none(self):
        account = json.loads(self.server.service_account("billing").read_text())
        own = self.server.login("billing", account["secret"])["credential"]
        self.assertServiceRefused(self.change(own, account["secret"], new_password()), FAILED_PRECONDITION, "NOT_A_USER")

    def test_by_command_which_stays_logged_in(self):
        old, new = self.server.add_user("carl", scopes=["orders.read", "orders.write"]), new_password()
        self.watchword.json("login", "carl", "--password-stdin", "--audience", "orders", "--scope", "orders.read",
                            stdin=old)
        elsewhere = self.server.login("carl", old)
        code, out, err = self.watchword.run("password", "--passwords-stdin", stdin=f"{new}\n{new}\n")
        self.assertEqual((code, out), (REFUSED, ""), err)
        code, out, err = self.watchword.run("password", "--passwords-stdin", stdin=f"{old}\n{new}\n")
        self.assertEqual((code, out), (DONE, ""), err)
        self.assertInactive(self.server.validate(elsewhere["credential"]), "TOKEN_REVOKED")
        whoami = self.watchword.json("whoami")
        self.assertEqual((whoami["username"], whoami["audiences"], whoami["scopes"]),
                         ("carl", ["orders"], ["orders.read"]))
        self.server.login("carl", new)

    def test_command_needs_a_login_and_two_lines(self):
        self.assertEqual(self.watchword.run("password", "--passwords-stdin", stdin="a\nb\n")[0], NOT_LOGGED_IN)
        password = self.server.add_user("dora")
        self.watchword.json("login", "dora", "--password-stdin", stdin=password)
        for lines in ("", password, password + "\n", f"{password}\n\n", f"\n{password}\n"):
            code, out, err = self.watchword.run("password", "--passwords-stdin", stdin=lines)
            self.assertEqual((code, out), (LOCAL, ""), err)
        self.server.login("dora", password)


class Import(OneServer):
    def setUp(self):
        super().setUp()
        self.watchword.json("login", "admin", "--password-stdin", stdin=self.server.admin_password)

    def write(self, *lines):
        file = self.folder / "users.jsonl"
        file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return str(file)

    def test_users_of_another_system_log_in_with_their_passwords_and_again_with_ours(self):
        file = self.write(*({"username": name, "password_hash": password_hash, "scopes": ["orders.read"]}
                            for name, (_, password_hash) in FOREIGN.items()))
        self.assertEqual(self.watchword.json("user", "import", file),
                         {"imported": len(FOREIGN), "existing": 0, "refused": 0})
        for name, (password, _) in FOREIGN.items():
            reply = self.grpc.call(AUTH + "Login", username=name, password=password + "x")
            self.assertServiceRefused(reply, UNAUTHENTICATED, "INVALID_CREDENTIALS")
            self.assertEqual(self.server.login(name, password)["scopes"], ["orders.read"], name)
            self.server.wait_for_line(lambda line: "password hash renewed" in line and f'"{name}"' in line)
            self.server.login(name, password)
        self.assertEqual(self.watchword.json("user", "import", file),
                         {"imported": 0, "existing": len(FOREIGN), "refused": 0})

    def test_lines_that_are_wrong_are_named_and_the_others_imported(self):
        good = {"username": "erik", "password_hash": FOREIGN["bcrypt"][1]}
        file = self.write(good, "", "{", "[]", {"username": "fred"}, {**good, "user": "x"},
                          {**good, "username": "two words"}, {**good, "username": "gina", "password_hash": "plain text"},
                          {**good, "username": "hans", "password_hash": good["password_hash"].replace("$05$", "$31$")},
                          {**good, "scopes": "a"}, {**good, "disabled": "no"}, "x" * 100_000,
                          {"username": "ina", "password_hash": "", "disabled": True})
        code, out, err = self.watchword.run("user", "import", file, "--output", "json")
        self.assertEqual(code, LOCAL, err)
        self.assertEqual(json.loads(out), {"imported": 2, "existing": 0, "refused": 10})
        lines = err.splitlines()
        self.assertEqual([line.split(":")[1] for line in lines], [f" line {n}" for n in range(3, 13)])
        for line, says in zip(lines, ("not a JSON object", "not a JSON object", "\"password_hash\" is missing", "\"user\"",
                                      "`username`", "no scheme", "`password_hash`", "\"scopes\"", "\"disabled\"", "64 KiB")):
            self.assertIn(says, line)
        users = {each["username"]: each["disabled"] for each in self.watchword.json("user", "list")}
        self.assertEqual((users["erik"], users["ina"]), (False, True))
        for name in ("fred", "gina", "hans"):
            self.assertNotIn(name, users)

    def test_what_is_wrong_with_all_stops_at_the_line(self):
        code, _, err = self.watchword.run("user", "import", "/no/such/file")
        self.assertEqual(code, LOCAL)
        self.assertIn("/no/such/file", err)
        password = self.server.add_user("karl")
        self.watchword.json("login", "karl", "--password-stdin", stdin=password)
        code, out, err = self.watchword.run("user", "import", "-", stdin='{"username": "lena", "password_hash": ""}\n' * 3)
        self.assertEqual(code, REFUSED)
        self.assertIn("line 1", err)
        self.assertIn("watchword.admin", err)

    def test_by_rpc_needs_the_scope(self):
        password = self.server.add_user("mona")
        own = self.server.login("mona", password)["credential"]
        reply = self.grpc.call(ADMIN + "ImportUser", bearer=own, username="nina", password_hash="")
        self.assertRefused(reply, PERMISSION_DENIED, "INSUFFICIENT_SCOPE")


class Limits(OneServer):
    def test_passwords_that_are_too_long_are_refused_before_they_are_hashed(self):
        for name in ("admin", "nobody"):
            reply = self.grpc.call(AUTH + "Login", username=name, password="x" * 1_000_000)
            self.assertServiceRefused(reply, INVALID_ARGUMENT, "INVALID_ARGUMENT", "password")
        self.assertEqual(self.grpc.call(AUTH + "Login", username="admin", password="x" * (4 << 20)).code,
                         RESOURCE_EXHAUSTED)
        self.server.login()

    def test_common_passwords_cannot_be_set(self):
        for password in ("passwordpassword", "qwertyuiopasdfghjkl", "olafolafolafolaf", "watchword.test.watchword"):
            reply = self.grpc.call(ADMIN + "CreateUser", bearer=self.admin, username="olaf", password=password)
            self.assertServiceRefused(reply, INVALID_ARGUMENT, "INVALID_ARGUMENT", "password")


class Calibration(Case):
    def test_finds_settings_that_the_server_takes(self):
        watchword = Command(self.folder, "127.0.0.1:1")  # asks nobody
        found = watchword.json("calibrate-hash", "--time", "1ms", "--threads", "1")
        self.assertEqual((found["hash_memory"], found["hash_passes"]), ("19MiB", 2))
        self.assertGreater(found["seconds"], 0)
        self.start(Server, self.folder, "--hash-budget", found["hash_budget"], "--hash-threads", str(found["hash_threads"]))
        for flags in (("--time", "soon"), ("--time", "0s"), ("--memory", "18"), ("--threads", "0")):
            self.assertEqual(watchword.run("calibrate-hash", *flags)[0], LOCAL)


if __name__ == "__main__":
    unittest.main()
