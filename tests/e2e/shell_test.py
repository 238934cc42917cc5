"""The command line itself: completions in real shells, the manual page, the version, credentials for other programs."""

import json
import os
import re
import subprocess
import unittest

from harness import BIN, Case, Command, Grpcurl, ROOT, Server, clean_environment

# In place of the shell's own functions, which need a terminal: what would be offered, one a line.
ZSH = """
compdef() { :; }
_describe() { print -rl -- ${(P)${@[-1]}}; }
_files() { print -rl -- FILES; }
compadd() { print -rl -- "$@"; }
source <(watchword completion zsh)
words=("$@") CURRENT=$#
_watchword
"""
BASH = """
compopt() { :; }
source <(watchword completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_watchword
printf '%s\\n' "${COMPREPLY[@]}"
"""


def watchword(*arguments):
    process = subprocess.run([str(BIN / "watchword"), *arguments], capture_output=True, text=True, timeout=60,
                             env=clean_environment())
    assert process.returncode == 0, process.stderr
    return process.stdout


def commands(path=()):
    """The paths of all commands, as --help lists them."""
    listed = watchword(*path, "--help").partition("Subcommands:\n")[2]
    for name in re.findall(r"^  (\S+)", listed, re.MULTILINE):
        yield (*path, name)
        yield from commands((*path, name))


class Completion(Case):
    def run_in(self, shell, *arguments):
        process = subprocess.run([*shell, *arguments], capture_output=True, text=True, timeout=60, cwd=self.folder,
                                 env=clean_environment(PATH=f"{BIN}:{os.environ['PATH']}", HOME=str(self.folder)))
        self.assertEqual(process.stderr, "")
        return process.stdout.split("\n")[:-1]

    def bash(self, *words):
        return {word for word in self.run_in(["bash", "--norc", "-c", BASH, "watchword"], *words) if word}

    def zsh(self, *words):
        """Only the names; the descriptions stand behind a colon."""
        return {entry.partition(":")[0] for entry in self.run_in(["zsh", "-f", "-c", ZSH, "zsh"], *words)}

    def fish(self, *words):
        script = "watchword completion fish | source; complete -C $argv[1]"
        offered = self.run_in(["fish", "--no-config", "-c", script], " ".join(words))
        return {entry.partition("\t")[0] for entry in offered}

    def test_each_shell_offers_what_help_lists(self):
        first = {path[0] for path in commands() if len(path) == 1}
        self.assertLess({"login", "user", "completion"}, first)
        self.assertEqual(self.bash("watchword", ""), first)
        self.assertLessEqual(first, self.zsh("watchword", ""))
        self.assertEqual(self.fish("watchword", ""), first)

    def test_subcommands_are_found_behind_options_and_their_values(self):
        words = ("watchword", "--address", "login", "--tls", "user", "")
        expected = {path[1] for path in commands(("user",)) if len(path) == 2}
        self.assertEqual(self.bash(*words), expected)
        self.assertEqual({each for each in self.zsh(*words) if not each.startswith("-")}, expected)
        self.assertEqual(self.fish(*words), expected)

    def test_options_of_the_command_and_of_the_program_are_offered(self):
        words = ("watchword", "user", "add", "--")
        for shell in (self.bash, self.zsh, self.fish):
            offered = shell(*words)
            self.assertLessEqual({"--scope", "--password-stdin", "--address"}, offered, shell)
            self.assertNotIn("--wait", offered, shell)

    def test_choices_are_offered(self):
        for shell in (self.bash, self.zsh, self.fish):
            self.assertEqual(shell("watchword", "--output", "j") & {"json"}, {"json"}, shell)
            self.assertLessEqual({"bash", "zsh"}, shell("watchword", "completion", ""))

    def test_files_are_offered_where_an_option_takes_one(self):
        (self.folder / "authority of mine.pem").touch()
        self.assertEqual(self.bash("watchword", "--tls-ca", "auth"), {"authority of mine.pem"})
        self.assertEqual(self.zsh("watchword", "--tls-ca", "auth"), {"FILES"})
        self.assertIn("authority of mine.pem", self.fish("watchword", "--tls-ca", "auth"))
        self.assertEqual(self.bash("watchword", "--user", "auth"), set())


class Manual(unittest.TestCase):
    def test_is_well_formed_and_holds_every_command_and_option(self):
        page = watchword("man")
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page, capture_output=True, text=True)
        # It has no date: two builds of one commit are to be the same.
        self.assertEqual([line for line in lint.stdout.splitlines() if "missing date" not in line], [])
        text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200"], input=page, capture_output=True,
                              text=True).stdout
        text = re.sub(r".\x08", "", text)
        for path in commands():
            self.assertIn(path[-1], text)
            for option in re.findall(r"^ +(--[\w-]+)", watchword(*path, "--help"), re.MULTILINE):
                self.assertIn(option, text, path)
        self.assertIn("WATCHWORD_ADDRESS", text)

    def test_version_names_the_commit(self):
        head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"],
                              capture_output=True, text=True)
        commit = rf" \({head.stdout.strip()}(-dirty)?\)" if head.returncode == 0 else ""  # not a clone
        self.assertRegex(watchword("--version"), rf"^watchword \d+\.\d+\.\d+{commit}\n$")
        server = subprocess.run([BIN / "watchwordd", "--version"], capture_output=True, text=True, env=clean_environment())
        self.assertRegex(server.stdout, rf"^watchwordd \d+\.\d+\.\d+{commit}\n$")


class ExecCredential(Case):
    def test_token_is_printed_as_kubectl_takes_it(self):
        server = self.start(Server, self.folder)
        command = Command(self.folder, server.address)
        command.run("login", "admin", "--password-stdin", stdin=server.admin_password)
        code, out, err = command.run("token", "--format", "exec-credential")
        self.assertEqual((code, err), (0, ""))
        printed = json.loads(out)
        self.assertEqual((printed["apiVersion"], printed["kind"]),
                         ("client.authentication.k8s.io/v1", "ExecCredential"))
        self.assertRegex(printed["status"]["expirationTimestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertActive(Grpcurl(server.address).call("watchword.v1.AuthService/Validate",
                                                       bearer=printed["status"]["token"]).response)

    def test_other_formats_are_refused(self):
        server = self.start(Server, self.folder)
        code, out, err = Command(self.folder, server.address).run("token", "--format", "yaml")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("--format", err)


if __name__ == "__main__":
    unittest.main()
