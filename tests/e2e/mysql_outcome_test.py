"""A connection that is lost at the worst moment: a write whose outcome is unknown is found out, and has one effect."""

import threading
import unittest

from cluster import MysqlServer, StoreCase, cut, cut_and_deliver, rounds
from harness import ADMIN, AUTH, OK, PATIENCE, UNAUTHENTICATED, UNAVAILABLE, new_password, until

POINTS = ("before", "during", "after")


class Write:
    """A call that writes: how it is prepared and made, at which statement it is committed, and what it must change."""

    def __init__(self, test, server, point):
        self.test, self.server, self.rpc, self.database = test, server, server.rpc, test.database
        self.name = f"{type(self).__name__}, connection lost {point} {self.commits_at}"
        self.admin = test.admin(server)
        self.username, self.password = test.add_user(server)
        self.prepare()
        self.before = self.state()

    def prepare(self):
        pass

    def login(self):
        return self.rpc.must(AUTH + "Login", username=self.username, password=self.password)

    def state(self):
        """How many sessions the user has, the sum of their generations, how many were ended; entries in the log; the
        account's version and whether it is disabled; how many accounts there are."""
        version, disabled = self.database.query(
            "SELECT credential_version, disabled FROM principals WHERE name = %s", self.username)[0]
        count, generations, ended = self.database.query(
            "SELECT COUNT(*), COALESCE(SUM(generation), 0), COALESCE(SUM(revoked_at IS NOT NULL), 0) FROM sessions s "
            "JOIN principals p ON p.id = s.principal WHERE p.name = %s", self.username)[0]
        log = len(self.database.revocations())
        accounts = self.database.value("SELECT COUNT(*) FROM principals")
        return {"sessions": count, "generations": int(generations), "ended": int(ended), "log": log,
                "version": version, "disabled": disabled, "accounts": accounts}

    def check(self, reply, **options):
        self.test.assertEqual(reply.code, OK, f"{self.name}: {reply}")
        after = self.state()
        change = {name: after[name] - self.before[name] for name in after if after[name] != self.before[name]}
        self.test.assertEqual(change, self.effect, self.name)
        self.check_answers(reply, **options)

    def check_answers(self, reply, **_):
        """What callers see. `at_once`: the server that did it has answered OK itself; else it may learn of it from the
        log."""


class Login(Write):
    commits_at, within, effect = "^INSERT INTO sessions", None, {"sessions": 1}

    def call(self, **options):
        return self.rpc.call(AUTH + "Login", username=self.username, password=self.password, **options)

    def check_answers(self, reply, **_):
        self.test.assertTrue(self.rpc.must(AUTH + "Validate", bearer=reply.response["credential"])["active"])


class Refresh(Write):
    commits_at, within, effect = "^UPDATE sessions SET generation", None, {"generations": 1}

    def prepare(self):
        self.token = self.login()["refresh_token"]

    def call(self, **options):
        return self.rpc.call(AUTH + "Refresh", refresh_token=self.token, **options)

    def check_answers(self, reply, **_):
        again = self.rpc.must(AUTH + "Refresh", refresh_token=self.token)
        self.test.assertEqual(again["refresh_token"], reply.response["refresh_token"], "there are two successors")
        self.rpc.must(AUTH + "Refresh", refresh_token=reply.response["refresh_token"])


class Logout(Write):
    commits_at, within, effect = "^COMMIT", "^INSERT INTO revocations", {"ended": 1, "log": 1}

    def prepare(self):
        self.session = self.login()

    def call(self, **options):
        return self.rpc.call(AUTH + "Logout", bearer=self.session["credential"], **options)

    def check_answers(self, reply, at_once=True):
        def reason():
            return self.rpc.must(AUTH + "Validate", bearer=self.session["credential"]).get("reason")
        if not at_once:
            until(lambda: reason() is not None)
        self.test.assertEqual(reason(), "TOKEN_REVOKED", self.name)
        refused = self.rpc.call(AUTH + "Refresh", refresh_token=self.session["refresh_token"])
        self.test.assertEqual((refused.code, refused.reason), (UNAUTHENTICATED, "TOKEN_REVOKED"))


class LogoutOfAll(Logout):
    effect = {"log": 1}

    def call(self, **options):
        return self.rpc.call(AUTH + "Logout", bearer=self.session["credential"], all_sessions=True, **options)


class SessionRevokedByAdministrator(Logout):
    def call(self, **options):
        return self.rpc.call(ADMIN + "RevokeSessions", bearer=self.admin,
                             session_id=self.session["session_id"], **options)


class PasswordChange(Logout):
    effect = {"log": 1, "version": 1}

    def call(self, **options):
        self.new_password = new_password()
        return self.rpc.call(ADMIN + "SetPassword", bearer=self.admin, username=self.username,
                             password=self.new_password, **options)

    def check_answers(self, reply, **options):
        super().check_answers(reply, **options)
        old = self.rpc.call(AUTH + "Login", username=self.username, password=self.password)
        self.test.assertEqual(old.reason, "INVALID_CREDENTIALS")
        self.rpc.must(AUTH + "Login", username=self.username, password=self.new_password)


class Disabling(Logout):
    effect = {"log": 1, "version": 1, "disabled": 1}

    def call(self, **options):
        return self.rpc.call(ADMIN + "DisableUser", bearer=self.admin, username=self.username, **options)


class Enabling(Write):
    commits_at, within, effect = "^COMMIT", "^UPDATE principals SET disabled", {"version": 1, "disabled": -1}

    def prepare(self):
        self.rpc.must(ADMIN + "DisableUser", bearer=self.admin, username=self.username)

    def call(self, **options):
        return self.rpc.call(ADMIN + "EnableUser", bearer=self.admin, username=self.username, **options)

    def check_answers(self, reply, **_):
        self.login()


class NewUser(Write):
    commits_at, within, effect = "^INSERT INTO principals", None, {"accounts": 1}

    def call(self, **options):
        self.new = self.username + "-too"
        return self.rpc.call(ADMIN + "CreateUser", bearer=self.admin, username=self.new, password=self.password,
                             **options)

    def check_answers(self, reply, **_):
        self.rpc.must(AUTH + "Login", username=self.new, password=self.password)


WRITES = (Login, Refresh, Logout, LogoutOfAll, SessionRevokedByAdministrator, PasswordChange, Disabling, Enabling,
          NewUser)


class UnknownOutcome(StoreCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.start_proxy()
        cls.server = cls.start_shared(MysqlServer, cls.shared_folder, [cls.proxy.port])

    def setUp(self):
        super().setUp()
        self.addCleanup(self.proxy.forget_rules)
        self.addCleanup(self.proxy.come_back)
        until(lambda: not self.login_of_admin().is_outage)  # what another test has left

    def tearDown(self):
        self.assertIsNone(self.server.process.poll(), self.server.output())

    def each_point(self, what, short=1):
        for _ in rounds(what, short=short, long=100, share=0.3):
            for kind in WRITES:
                for point in POINTS:
                    self.proxy.forget_rules()
                    yield kind(self, self.server, point), point

    def test_connection_lost_around_the_commit_has_one_effect_and_the_caller_is_told_ok(self):
        for write, point in self.each_point("every write with its connection lost before, during and after the commit"):
            rule = self.proxy.at(point, write.commits_at, cut, within=write.within)
            reply = write.call()
            self.assertTrue(rule.reached.wait(10), f"{write.name}: {reply}")
            write.check(reply)

    def test_connection_lost_while_finding_out_has_one_effect_too(self):
        for write, point in self.each_point("every write that loses the connection again while it finds out"):
            self.proxy.at(point, write.commits_at, cut, within=write.within)
            self.proxy.before(" FOR UPDATE$", cut)
            reply = write.call()
            write.check(reply)

    def test_statement_that_the_database_reads_late_has_one_effect(self):
        """It comes after its outcome was found out, before it is tried again."""
        for kind in (Login, Refresh, NewUser):
            self.proxy.forget_rules()
            write, found_out, has_run = kind(self, self.server, "late,"), threading.Event(), threading.Event()
            self.proxy.before(write.commits_at, cut_and_deliver(found_out))

            def deliver(_, found_out=found_out, has_run=has_run):
                found_out.set()
                has_run.wait(PATIENCE)
            late = self.proxy.after(write.commits_at, lambda _, has_run=has_run: has_run.set())
            self.proxy.after("^COMMIT", deliver, within=" FOR UPDATE$")
            reply = write.call()
            self.assertTrue(late.reached.is_set(), write.name)
            write.check(reply)

    def test_connection_lost_within_the_transaction_has_one_effect(self):
        for statement in ("^UPDATE sessions SET revoked_at", "^SELECT seq .* FOR UPDATE", "^INSERT INTO revocations",
                          "^UPDATE revocation_sequencer"):
            for point in POINTS:
                self.proxy.forget_rules()
                write = Logout(self, self.server, f"{point} {statement}, not")
                rule = self.proxy.at(point, statement, cut)
                reply = write.call()
                self.assertTrue(rule.reached.wait(10), write.name)
                write.check(reply)

    def test_database_that_stays_away_is_an_outage_and_trying_again_works(self):
        for write, point in self.each_point("every write whose database went away at its commit and came back"):
            rule = self.proxy.at(point, write.commits_at, lambda link: self.proxy.go_away(), within=write.within)
            reply = write.call(timeout=5)
            self.assertTrue(rule.reached.wait(10), write.name)  # else it would go away after it has come back
            self.proxy.come_back()
            if point == "during" and reply.code == OK:  # the answer was faster than the end of the connection
                until(lambda: not self.login_of_admin().is_outage)
                write.check(reply)
                continue
            self.assertEqual(reply.code, UNAVAILABLE, f"{write.name}: {reply}")
            self.check_tried_again(write, point)

    def login_of_admin(self):
        return self.server.rpc.call(AUTH + "Login", username="admin", password=self.server.admin_password)

    def check_tried_again(self, write, point):
        """Logins and new users are the two that cannot be repeated without a second effect or ALREADY_EXISTS."""
        until_answered = self.answered(write)
        change = write.state()
        if isinstance(write, Login):
            self.assertIn(change["sessions"] - write.before["sessions"], (1, 2))
            self.assertEqual(until_answered.code, OK, until_answered)
        elif isinstance(write, NewUser) and until_answered.code != OK:
            self.assertEqual(until_answered.reason, "USER_EXISTS", until_answered)
            self.assertEqual(change["accounts"] - write.before["accounts"], 1)
        elif isinstance(write, (LogoutOfAll, PasswordChange)):
            # Either may have had an effect before: the second is another one, not a repetition of the first.
            self.assertIn(change["log"] - write.before["log"], (1, 2))
            write.check_answers(until_answered, at_once=False)
        else:
            write.check(until_answered, at_once=False)

    def answered(self, write):
        replies = []

        def answers():
            replies.append(write.call())
            return not replies[-1].is_outage
        until(answers)
        return replies[-1]


if __name__ == "__main__":
    unittest.main()
