"""Every method, called by grpcurl as a user would, who has nothing but the address."""

import json
import unittest
import urllib.request

from harness import (ADMIN, ALREADY_EXISTS, AUTH, Case, Grpcurl, INVALID_ARGUMENT, NOT_FOUND, OK, PERMISSION_DENIED,
                     Server, TRUST, UNAUTHENTICATED, new_password)

UNKNOWN_SESSION = "018f0000-0000-7000-8000-000000000000"


class OneServer(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_shared(Server, cls.shared_folder)
        cls.grpc = cls.server.grpc
        cls.password = cls.server.add_user("anna", scopes=["orders.read", "orders.write"])
        cls.admin = cls.server.login()["credential"]

    def login(self, **request):
        return self.server.login("anna", self.password, **request)


class Reflection(OneServer):
    def test_lists_and_describes_all_services(self):
        names = self.grpc.run(self.grpc.address, "list").stdout.split()
        self.assertEqual(names, ["grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection",
                                 "watchword.v1.AdminService", "watchword.v1.AuthService", "watchword.v1.TrustService",
                                 "watchword.v1.VerifierService"])
        for name in names:
            self.assertIn("service " + name.split(".")[-1], self.grpc.describe(name))

    def test_shows_the_access_rule_beside_the_method(self):
        self.assertIn('require_scopes:["watchword.admin"]',
                      self.grpc.describe("watchword.v1.AdminService.CreateUser").replace(" ", ""))

    def test_health_is_asked_for_by_service_name(self):
        for service in ("", "watchword.v1.AuthService", "watchword.v1.AdminService", "watchword.v1.TrustService",
                        "liveness"):
            reply = self.grpc.call("grpc.health.v1.Health/Check", service=service)
            self.assertEqual(reply.response, {"status": "SERVING"}, service)
        self.assertEqual(self.grpc.call("grpc.health.v1.Health/Check", service="no.such").code, NOT_FOUND)


class Login(OneServer):
    def test_gives_an_access_token_and_what_renews_it(self):
        login = self.login(audiences=["orders"], scopes=["orders.read"])
        self.assertEqual(login["token_type"], "Bearer")
        self.assertEqual(login["credential"].count("."), 2)
        self.assertLess(len(login["credential"]), 1024)
        self.assertTrue(login["refresh_token"].startswith("ww_r_"))
        self.assertEqual(login["scopes"], ["orders.read"])
        validation = self.server.validate(login["credential"])
        self.assertActive(validation)
        self.assertEqual(validation["principal"]["username"], "anna")
        self.assertEqual(validation["principal"]["kind"], "PRINCIPAL_KIND_USER")
        self.assertEqual(validation["audiences"], ["orders"])
        self.assertEqual(validation["scopes"], ["orders.read"])
        self.assertEqual(validation["session_id"], login["session_id"])
        self.assertEqual(validation["kind"], "CREDENTIAL_KIND_ACCESS_TOKEN")
        self.assertEqual(validation["expires_at"], login["expires_at"])

    def test_gives_a_session_token_without_a_refresh_token(self):
        login = self.login(kind="CREDENTIAL_KIND_SESSION_TOKEN")
        self.assertTrue(login["credential"].startswith("ww_s_"))
        self.assertNotIn("refresh_token", login)
        validation = self.server.validate(login["credential"])
        self.assertActive(validation)
        self.assertEqual(validation["kind"], "CREDENTIAL_KIND_SESSION_TOKEN")
        self.assertEqual(self.grpc.call(AUTH + "Logout", bearer=login["credential"]).code, OK)
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")

    def test_wrong_unknown_and_disabled_are_one_answer(self):
        password = self.server.add_user("disabled")
        self.grpc.call(ADMIN + "DisableUser", bearer=self.admin, username="disabled")
        replies = [self.grpc.call(AUTH + "Login", username=username, password=password)
                   for username in ("anna", "nobody", "disabled")]
        for reply in replies:
            self.assertServiceRefused(reply, UNAUTHENTICATED, "INVALID_CREDENTIALS")
            self.assertEqual(repr(reply), repr(replies[0]))

    def test_scope_that_the_account_lacks_is_refused(self):
        reply = self.grpc.call(AUTH + "Login", username="anna", password=self.password, scopes=["watchword.admin"])
        self.assertServiceRefused(reply, PERMISSION_DENIED, "SCOPE_NOT_GRANTED")

    def test_name_is_one_in_upper_and_lower_case(self):
        upper = self.server.login("ANNA", self.password)
        self.assertEqual(self.server.validate(upper["credential"])["principal"]["username"], "anna")

    def test_bad_requests_name_the_field(self):
        right = {"username": "anna", "password": self.password}
        for field, wrong in {"username": {"username": ""}, "password": {"password": "x" * 1025},
                             "kind": {"kind": 7}, "audiences": {"audiences": ["with space"]},
                             "scopes": {"scopes": ["with space"]}}.items():
            with self.subTest(field):
                reply = self.grpc.call(AUTH + "Login", **{**right, **wrong})
                self.assertServiceRefused(reply, INVALID_ARGUMENT, "INVALID_ARGUMENT", field)


class Validate(OneServer):
    def test_bad_credential_is_an_answer(self):
        genuine = self.login()["credential"]
        for credential in ("nonsense", "a.b.c", genuine[:-8], "ww_s_" + "A" * 49):
            self.assertInactive(self.server.validate(credential), "TOKEN_INVALID")

    def test_without_any_credential_says_what_to_send(self):
        reply = self.grpc.call(AUTH + "Validate")
        self.assertServiceRefused(reply, INVALID_ARGUMENT, "INVALID_ARGUMENT", "credential")

    def test_asking_about_others_needs_a_caller(self):
        reply = self.grpc.call(AUTH + "Validate", credential=self.login()["credential"])
        self.assertEqual(reply.code, UNAUTHENTICATED, reply)

    def test_asking_about_others_needs_the_scope(self):
        reply = self.grpc.call(AUTH + "Validate", bearer=self.login()["credential"],
                               credential=self.login()["credential"])
        self.assertServiceRefused(reply, PERMISSION_DENIED, "INSUFFICIENT_SCOPE")

    def test_asking_about_others_with_the_scope_answers(self):
        reply = self.grpc.call(AUTH + "Validate", bearer=self.admin, credential=self.login()["credential"])
        self.assertActive(reply.response)
        self.assertEqual(reply.response["principal"]["username"], "anna")

    def test_credential_over_8_kib_is_a_bad_request(self):
        reply = self.grpc.call(AUTH + "Validate", bearer=self.admin, credential="x" * (8192 + 1))
        self.assertServiceRefused(reply, INVALID_ARGUMENT, "INVALID_ARGUMENT", "credential")


class Logout(OneServer):
    def test_ends_the_session_of_the_bearer_credential(self):
        login = self.login()
        self.assertEqual(self.grpc.call(AUTH + "Logout", bearer=login["credential"]).code, OK)
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.assertServiceRefused(self.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"]),
                                  UNAUTHENTICATED, "TOKEN_REVOKED")

    def test_ends_the_session_of_a_refresh_token(self):
        login = self.login()
        self.assertEqual(self.grpc.call(AUTH + "Logout", refresh_token=login["refresh_token"]).code, OK)
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")

    def test_leaves_other_sessions_alone_unless_told(self):
        first, second, third = self.login(), self.login(), self.login(kind="CREDENTIAL_KIND_SESSION_TOKEN")
        self.grpc.call(AUTH + "Logout", bearer=first["credential"])
        self.assertActive(self.server.validate(second["credential"]))
        self.grpc.call(AUTH + "Logout", bearer=second["credential"], all_sessions=True)
        for login in (second, third):
            self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.assertActive(self.server.validate(self.login()["credential"]))

    def test_twice_and_unknown_are_fine(self):
        login = self.login()
        for _ in range(2):
            self.assertEqual(self.grpc.call(AUTH + "Logout", bearer=login["credential"]).code, OK)
        for unknown in ("nonsense", "a.b.c", "ww_s_" + "A" * 49):
            self.assertEqual(self.grpc.call(AUTH + "Logout", bearer=unknown).code, OK, unknown)
        self.assertEqual(self.grpc.call(AUTH + "Logout", refresh_token="ww_r_" + "A" * 49).code, OK)

    def test_malformed_is_a_bad_request(self):
        for request in ({}, {"refresh_token": "nonsense"}, {"headers": ["authorization: Basic YTpi"]}):
            reply = self.grpc.call(AUTH + "Logout", **request)
            self.assertServiceRefused(reply, INVALID_ARGUMENT, "INVALID_ARGUMENT", "refresh_token")

    def test_credential_of_an_ended_session_ends_no_others(self):
        stolen, mine = self.login(), self.login()
        self.grpc.call(AUTH + "Logout", bearer=stolen["credential"])
        self.assertEqual(self.grpc.call(AUTH + "Logout", bearer=stolen["credential"], all_sessions=True).code, OK)
        self.assertActive(self.server.validate(mine["credential"]))


class Admin(OneServer):
    def admin_call(self, method, **request):
        return self.grpc.call(ADMIN + method, bearer=self.admin, **request)

    def test_every_method_needs_the_scope(self):
        plain = self.login()["credential"]
        for method in ("CreateUser", "ImportUser", "ListUsers", "SetPassword", "DisableUser", "EnableUser", "ListSessions",
                       "RevokeSessions", "ListSigningKeys", "RotateSigningKey", "RetireSigningKey"):
            self.assertRefused(self.grpc.call(ADMIN + method, bearer=plain), PERMISSION_DENIED, "INSUFFICIENT_SCOPE")
            self.assertRefused(self.grpc.call(ADMIN + method), UNAUTHENTICATED, "TOKEN_MISSING")

    def test_credential_for_another_service_is_none_here(self):
        elsewhere = self.server.login(audiences=["orders"])["credential"]
        self.assertRefused(self.grpc.call(ADMIN + "ListUsers", bearer=elsewhere), UNAUTHENTICATED, "TOKEN_INVALID")

    def test_creates_and_lists_users(self):
        reply = self.admin_call("CreateUser", username="Berta", password=new_password(), scopes=["orders.read"])
        user = reply.response["user"]
        self.assertEqual(user["principal"]["username"], "berta")
        self.assertEqual(user["scopes"], ["orders.read"])
        names, token = [], ""
        while True:
            page = self.admin_call("ListUsers", page_size=1, page_token=token).response
            names += [each["principal"]["username"] for each in page.get("users", [])]
            token = page.get("next_page_token")
            if not token:
                break
        self.assertEqual(names, sorted(names))
        self.assertLessEqual({"admin", "anna", "berta"}, set(names))
        again = self.admin_call("CreateUser", username="BERTA", password=new_password())
        self.assertServiceRefused(again, ALREADY_EXISTS, "USER_EXISTS")

    def test_bad_requests_name_the_field_and_write_nothing(self):
        before = self.admin_call("ListUsers").response
        for field, request in {"username": {"username": "a b", "password": new_password()},
                               "password": {"username": "short", "password": "14-characters!"},
                               "scopes": {"username": "s", "password": new_password(), "scopes": [""]}}.items():
            self.assertServiceRefused(self.admin_call("CreateUser", **request), INVALID_ARGUMENT, "INVALID_ARGUMENT",
                                      field)
        self.assertServiceRefused(self.admin_call("ListUsers", page_size=1001), INVALID_ARGUMENT, "INVALID_ARGUMENT",
                                  "page_size")
        self.assertEqual(self.admin_call("ListUsers").response, before)

    def test_unknown_user_is_not_found(self):
        for method in ("DisableUser", "EnableUser", "ListSessions", "RevokeSessions"):
            reply = self.admin_call(method, username="nobody")
            self.assertServiceRefused(reply, NOT_FOUND, "USER_NOT_FOUND")

    def test_new_password_ends_the_sessions_of_the_old(self):
        old_password = self.server.add_user("carla")
        login = self.server.login("carla", old_password)
        password = new_password()
        self.assertEqual(self.admin_call("SetPassword", username="carla", password=password).code, OK)
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.assertServiceRefused(self.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"]),
                                  UNAUTHENTICATED, "TOKEN_REVOKED")
        reply = self.grpc.call(AUTH + "Login", username="carla", password=old_password)
        self.assertServiceRefused(reply, UNAUTHENTICATED, "INVALID_CREDENTIALS")
        self.assertActive(self.server.validate(self.server.login("carla", password)["credential"]))

    def test_disabled_user_is_out_until_enabled(self):
        password = self.server.add_user("dora")
        login = self.server.login("dora", password)
        for _ in range(2):
            self.assertEqual(self.admin_call("DisableUser", username="dora").code, OK)
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.assertServiceRefused(self.grpc.call(AUTH + "Refresh", refresh_token=login["refresh_token"]),
                                  UNAUTHENTICATED, "TOKEN_REVOKED")
        self.assertEqual(self.admin_call("EnableUser", username="dora").code, OK)
        self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.assertActive(self.server.validate(self.server.login("dora", password)["credential"]))

    def test_lists_and_revokes_sessions(self):
        password = self.server.add_user("emil")
        logins = [self.server.login("emil", password, audiences=["orders"]) for _ in range(3)]
        sessions = self.admin_call("ListSessions", username="emil").response["sessions"]
        self.assertEqual([each["session_id"] for each in sessions],
                         [each["session_id"] for each in reversed(logins)], "newest first")
        self.assertEqual(sessions[0]["audiences"], ["orders"])
        self.assertEqual(self.admin_call("RevokeSessions", session_id=logins[1]["session_id"]).code, OK)
        verdicts = [self.server.validate(each["credential"]).get("active", False) for each in logins]
        self.assertEqual(verdicts, [True, False, True])
        self.assertEqual(self.admin_call("RevokeSessions", username="emil").code, OK)
        for login in logins:
            self.assertInactive(self.server.validate(login["credential"]), "TOKEN_REVOKED")
        self.assertEqual(self.admin_call("ListSessions", username="emil").response, {})

    def test_revoking_bad_targets_says_why(self):
        self.assertServiceRefused(self.admin_call("RevokeSessions"), INVALID_ARGUMENT, "INVALID_ARGUMENT", "session_id")
        self.assertServiceRefused(self.admin_call("RevokeSessions", session_id="x"), INVALID_ARGUMENT,
                                  "INVALID_ARGUMENT", "session_id")
        self.assertServiceRefused(self.admin_call("RevokeSessions", session_id=UNKNOWN_SESSION), NOT_FOUND,
                                  "SESSION_NOT_FOUND")


class Trust(OneServer):
    def test_public_keys_are_the_same_everywhere(self):
        over_grpc = self.grpc.call(TRUST + "GetJwks").response["keys"]
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}/.well-known/jwks.json") as answer:
            over_http = json.load(answer)["keys"]
        self.assertEqual(over_grpc, over_http)
        self.assertEqual([each["alg"] for each in over_grpc], ["ES256"])
        self.assertNotIn("d", over_grpc[0])
        keys = self.grpc.call(ADMIN + "ListSigningKeys", bearer=self.admin).response["keys"]
        self.assertEqual([(each["kid"], each["algorithm"], each["state"]) for each in keys],
                         [(over_grpc[0]["kid"], "ES256", "SIGNING_KEY_STATE_ACTIVE")])

    def test_feed_sends_keys_then_a_snapshot_then_heartbeats(self):
        login = self.login()
        self.grpc.call(AUTH + "Logout", bearer=login["credential"])
        process = self.grpc.run("-max-time", "3", "-d", json.dumps({"hello": {"verifier": "test"}}),
                                self.grpc.address, TRUST + "Watch", bearer=self.server.verifier_login())
        messages = [json.loads(text) for text in process.stdout.replace("\n}\n{", "\n}\0{").split("\0")]
        kinds = [next(iter(each)) for each in messages]
        self.assertEqual(kinds[:2], ["keys", "snapshot"])
        self.assertIn(login["session_id"],
                      [each.get("session_id") for each in messages[1]["snapshot"]["revocations"]])
        self.assertIn("heartbeat", kinds[2:])

    def test_feed_refuses_a_bad_hello(self):
        reply = self.grpc.call(TRUST + "Watch", bearer=self.server.verifier_login(), hello={"verifier": ""})
        self.assertEqual(reply.code, INVALID_ARGUMENT, reply)


class OtherSides(OneServer):
    def test_probes_and_metrics_answer_over_http(self):
        self.login()
        for path, wanted in {"/livez": b"", "/readyz": b"", "/metrics": b"watchword_"}.items():
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ops_port}{path}") as answer:
                self.assertEqual(answer.status, 200)
                self.assertIn(wanted, answer.read())

    def test_every_line_of_the_log_is_json_with_a_time_and_a_message(self):
        self.login()
        for line in self.server.lines:
            entry = json.loads(line)
            wanted = {"log", "event", "result"} if entry.get("log") == "audit" else {"severity", "message"}
            self.assertLessEqual({"time", *wanted}, set(entry))

    def test_unix_socket_serves_as_the_port_does(self):
        path = self.folder / "socket"
        server = self.start(Server, self.folder, "--listen", f"unix:{path}")
        grpc = Grpcurl(str(path), "-plaintext", "-unix")
        login = grpc.call(AUTH + "Login", username="admin", password=server.admin_password)
        self.assertEqual(login.code, OK, login)
        self.assertActive(grpc.call(AUTH + "Validate", bearer=login.response["credential"]).response)


if __name__ == "__main__":
    unittest.main()
