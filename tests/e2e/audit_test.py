"""The audit log: who did what on whom, from where and by which call, and never a secret."""

import json
import re
import unittest
import urllib.request

from harness import ADMIN, AUTH, Case, OK, Server, UNAUTHENTICATED, new_password, until

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"traceparent: 00-{TRACE_ID}-b7ad6b7169203331-01"


class AuditCase(Case):
    def start_server(self, *flags):
        return self.start(Server, self.folder, *flags)

    def wait_for_event(self, server, event, **fields):
        """The first event of that type with these fields."""
        def wanted(line):
            entry = json.loads(line)
            return entry.get("log") == "audit" and entry["event"] == event and fields.items() <= entry.items()
        return json.loads(server.wait_for_line(wanted))

    def metric(self, server, name):
        text = urllib.request.urlopen(f"http://127.0.0.1:{server.ops_port}/metrics", timeout=10).read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))


class Events(AuditCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_server()
        login = self.server.login()
        self.admin, self.admin_session = login["credential"], login["session_id"]
        self.admin_subject = self.server.validate(self.admin)["principal"]["subject"]

    def as_admin(self, method, **request):
        reply = self.server.grpc.call(ADMIN + method, bearer=self.admin, **request)
        return reply

    def test_a_login_says_who_from_where_and_by_which_call(self):
        reply = self.server.grpc.call(AUTH + "Login", headers=[TRACEPARENT, "x-request-id: r-17"], username="ADMIN",
                                      password=self.server.admin_password)
        entry = self.wait_for_event(self.server, "login", trace_id=TRACE_ID)
        self.assertEqual(entry["result"], "success")
        self.assertEqual(entry["subject"], self.admin_subject)
        self.assertEqual(entry["session"], reply.response["session_id"])
        self.assertEqual(entry["method"], "/watchword.v1.AuthService/Login")
        self.assertEqual(entry["request_id"], "r-17")
        self.assertRegex(entry["peer"], r"^ipv4:127\.0\.0\.1:\d+$")
        self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_a_failed_login_says_why_in_truth_but_no_name_that_is_nobodys(self):
        self.server.grpc.call(AUTH + "Login", username="admin", password=new_password())
        entry = self.wait_for_event(self.server, "login", result="failure", cause="wrong_password")
        self.assertEqual((entry["reason"], entry["subject"], entry["username"]),
                         ("INVALID_CREDENTIALS", self.admin_subject, "admin"))
        # Somebody has typed the password for the name: it must not be in the log, which the harness looks for.
        self.server.grpc.call(AUTH + "Login", username=new_password(), password="admin")
        entry = self.wait_for_event(self.server, "login", result="failure", cause="unknown_user")
        self.assertNotIn("username", entry)

    def test_what_administrators_do_says_who_did_it_on_whom(self):
        self.assertEqual(self.as_admin("CreateUser", username="Anna", password=new_password()).code, OK)
        created = self.wait_for_event(self.server, "user_created")
        self.assertEqual((created["actor"], created["actor_session"], created["username"], created["result"]),
                         (self.admin_subject, self.admin_session, "anna", "success"))
        self.as_admin("CreateUser", username="anna", password=new_password())
        self.assertEqual(self.wait_for_event(self.server, "user_created", result="failure")["reason"], "USER_EXISTS")
        for method, event, request in (("SetPassword", "password_set", {"password": new_password()}),
                                       ("DisableUser", "user_disabled", {}), ("EnableUser", "user_enabled", {}),
                                       ("RevokeSessions", "sessions_revoked", {})):
            self.assertEqual(self.as_admin(method, username="anna", **request).code, OK, method)
            entry = self.wait_for_event(self.server, event)
            self.assertEqual((entry["actor"], entry["subject"]), (self.admin_subject, created["subject"]), event)

    def test_service_accounts(self):
        self.server.service_account()
        self.assertEqual(self.wait_for_event(self.server, "service_account_created")["username"], "orders")

    def test_logout_and_reuse_of_a_refresh_token(self):
        login = self.server.login()
        self.server.grpc.call(AUTH + "Logout", bearer=login["credential"])
        entry = self.wait_for_event(self.server, "logout", session=login["session_id"])
        self.assertEqual(entry["subject"], self.admin_subject)

    def test_text_that_callers_choose_forges_no_line(self):
        for odd in ('traceparent: 00-"}\\n{"log":"audit"', "traceparent: " + "0" * 55, f"{TRACEPARENT}-x",
                    'x-request-id: a b', 'x-request-id: ' + "y" * 129):
            self.server.grpc.call(AUTH + "Login", headers=[odd], username="admin", password=new_password())
        until(lambda: sum('"wrong_password"' in line for line in self.server.lines) >= 5)
        for line in self.server.lines:
            entry = json.loads(line)
            self.assertTrue(line.isascii())
            if entry.get("log") == "audit":
                self.assertNotIn("trace_id", entry)
                self.assertNotIn("request_id", entry)


class Reuse(AuditCase):
    def test_the_session_that_was_stolen_is_named(self):
        server = self.start_server("--refresh-grace", "0s")
        login = server.login()
        server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"])
        reply = server.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"])
        self.assertServiceRefused(reply, UNAUTHENTICATED, "REFRESH_TOKEN_REUSED")
        entry = self.wait_for_event(server, "refresh_token_reused")
        self.assertEqual((entry["session"], entry["result"]), (login["session_id"], "failure"))


class File(AuditCase):
    def test_events_go_to_a_file_that_may_be_moved_away(self):
        path = self.folder / "audit.log"
        server = self.start_server("--audit-log", path)
        server.login()
        until(lambda: '"event":"login"' in path.read_text())
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        path.rename(self.folder / "audit.log.1")
        server.login()
        until(path.exists)
        until(lambda: '"event":"login"' in path.read_text())
        self.assertFalse(any('"log":"audit"' in line for line in server.lines))
        self.assertEqual(self.metric(server, "watchword_audit_events_lost_total"), 0)
        self.assertEqual(self.metric(server, "watchword_audit_events_total"), 2)

    def test_events_that_cannot_be_written_are_counted_and_stop_nobody(self):
        server = self.start_server("--audit-log", "/dev/full")
        server.login()
        until(lambda: self.metric(server, "watchword_audit_events_lost_total") >= 1)

    def test_a_file_that_cannot_be_opened_stops_the_start(self):
        with self.assertRaises(AssertionError) as failed:
            self.start_server("--audit-log", "/nonexistent/audit.log")
        self.assertIn("/nonexistent/audit.log", str(failed.exception))


if __name__ == "__main__":
    unittest.main()
