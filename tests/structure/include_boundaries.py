"""Each third-party library stays in its room.

CMake sees to it that our own headers are included only where that is declared. It cannot do so for libraries, since
Debian puts all of them into /usr/include: that is what this test is for.
"""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ("base", "interceptors", "client", "server")

# Headers (by regular expression) and the only places that may include them: folders, without those below, or files.
ROOMS = [
    ("cryptography", r"openssl/|sodium", ["interceptors/token", "interceptors/gate/tls_files.cc", "server/crypto"]),
    ("password hashes", r"argon2\.h|crypt\.h", ["server/crypto"]),
    ("common passwords", r"zxcvbn", ["server/domain/passwords.cc"]),
    ("JSON", r"nlohmann/", ["interceptors/token", "client", "client/command", "server/crypto/access_token.cc",
                            "server/ops"]),
    ("SQLite", r"sqlite3|SQLiteCpp/", ["server/store_sqlite"]),
    ("MySQL", r"mysql_|cppconn/", ["server/store_mysql"]),
    ("Unicode", r"unicode/", ["server/domain"]),
    ("command lines", r"CLI/", ["server/config", "client/command", "interceptors/example"]),
    ("logs, metrics, HTTP", r"spdlog/|fmt/|prometheus/|httplib", ["server/ops"]),
    ("gRPC's C API", r"grpc/(?!health/|grpc_security_constants)", ["interceptors/gate/guarded_credentials.cc"]),
    ("gRPC", r"grpcpp/|.*\.grpc\.pb\.h", [
        "interceptors/credentials", "interceptors/trust", "interceptors/gate", "interceptors/example", "client",
        "client/command", "server/transport", "server/application.cc"]),
    ("Protocol Buffers", r"google/protobuf/|.*\.pb\.h", [
        "interceptors/trust", "interceptors/policy/method_rules.cc", "interceptors/gate", "interceptors/example",
        "client", "client/command", "server/transport", "server/application.cc"]),
]

# Headers reach their includes through the include root of a target, never around it.
NOWHERE = [("a path around the include roots", r".*\.\./|/")]

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)


def violations(path, text):
    """What is wrong with the includes of a file, given relative to the root."""
    folder = path.rsplit("/", 1)[0]
    for header in INCLUDE.findall(text):
        for what, pattern, rooms in ROOMS + [(what, pattern, []) for what, pattern in NOWHERE]:
            if re.match(pattern, header) and path not in rooms and folder not in rooms:
                yield f"{path} includes {header} ({what}), which may be included only in: {', '.join(rooms) or 'nothing'}"


def sources():
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".h", ".cc"):
                yield file


class IncludeBoundaries(unittest.TestCase):
    maxDiff = None

    def test_libraries_stay_in_their_rooms(self):
        files = list(sources())
        self.assertGreater(len(files), 100, "the sources are somewhere else now")
        found = [line for file in files for line in violations(file.relative_to(ROOT).as_posix(), file.read_text())]
        self.assertEqual(found, [])

    def test_rooms_exist(self):
        for what, _, rooms in ROOMS:
            for room in rooms:
                self.assertTrue((ROOT / room).exists(), f"{room}, a room of {what}, is not there")

    def test_each_rule_finds_what_it_forbids(self):
        forbidden = {
            "server/service/login.cc": ["openssl/evp.h", "sqlite3.h", "grpcpp/grpcpp.h", "watchword/v1/auth.pb.h"],
            "server/transport/auth_handlers.cc": ["nlohmann/json.hpp", "unicode/uchar.h", "grpc/grpc_security.h"],
            "interceptors/gate/gate.cc": ["grpc/grpc.h", "CLI/CLI.hpp", "spdlog/spdlog.h", "../policy/rules.h"],
            "interceptors/policy/method_rules.h": ["google/protobuf/descriptor.h"],
            "server/store_sqlite/sub/x.cc": ["SQLiteCpp/Database.h"],
        }
        for path, headers in forbidden.items():
            for header in headers:
                self.assertEqual(len(list(violations(path, f'# include <{header}>\n'))), 1, f"{header} in {path}")

    def test_what_is_allowed_is_not_found(self):
        text = '#include "grpc/health/v1/health.pb.h"\n#include <grpcpp/grpcpp.h>\n#include "absl/status/status.h"\n'
        self.assertEqual(list(violations("server/application.cc", text)), [])


if __name__ == "__main__":
    unittest.main()
