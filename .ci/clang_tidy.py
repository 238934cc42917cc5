"""Runs clang-tidy over what compile_commands.json compiles, except what it has found nothing in before.

usage: clang_tidy.py BUILD_FOLDER REGULAR_EXPRESSION

A file is the same as before if it is, preprocessed and with its comments, together with the compiler's flags, the settings
in .clang-tidy and the version of clang-tidy. In which clone it is makes no difference. What was clean is remembered in
~/.cache/watchword-clang-tidy.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "watchword-clang-tidy"
TIDY = "clang-tidy-14"
KEPT_FOR = 30 * 24 * 3600  # seconds since it was last of use


def preprocessor(command):
    """The command that compiles a file, as one that prints what is compiled."""
    words, out = shlex.split(command), []
    for word in words:
        if out and out[-1] == "-o":  # its argument
            out.pop()
        elif word != "-c":
            out.append(word)
    return out + ["-E", "-C", "-P"]


def digest(entry, settings):
    text = subprocess.run(preprocessor(entry["command"]), cwd=entry["directory"], stdout=subprocess.PIPE, check=True).stdout
    flags = entry["command"].replace(str(ROOT), "")
    return hashlib.sha256(b"\0".join([settings, flags.encode(), text.replace(str(ROOT).encode(), b"")])).hexdigest()


def check(build, entry, settings):
    """(whether it was known to be clean, what is wrong with it)"""
    clean = CACHE / digest(entry, settings)
    if clean.exists():
        clean.touch()
        return True, ""
    done = subprocess.run([TIDY, "-quiet", "-p", build, entry["file"]], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if done.returncode != 0:
        return False, f"{done.stdout or done.stderr}{entry['file']}: clang-tidy ended with {done.returncode}"
    clean.touch()
    return False, ""


def main():
    build, pattern = sys.argv[1:]
    CACHE.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([TIDY, "--version"], stdout=subprocess.PIPE, check=True).stdout
    settings = version + (ROOT / ".clang-tidy").read_bytes()
    entries = [entry for entry in json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
               if re.search(pattern, entry["file"])]
    if not entries:
        sys.exit(f"{build} compiles nothing that {pattern} matches")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda entry: check(build, entry, settings), entries))
    for file in CACHE.iterdir():
        if time.time() - file.stat().st_mtime > KEPT_FOR:
            file.unlink()
    known = sum(was_known for was_known, _ in results)
    wrong = [text for _, text in results if text]
    print("\n".join(wrong))
    print(f"{len(entries)} files, {known} of them unchanged since nothing was found in them, {len(wrong)} with findings")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
