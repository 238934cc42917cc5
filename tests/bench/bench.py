"""Runs benchmarks; tests/bench.sh builds what they need and calls this."""

import argparse
import inspect
import pathlib
import shlex
import sys
import tempfile
import time

from measure import ROOT, Size
from benchmarks import BENCHMARKS
from goals import goal_of
import report


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/bench.sh", description="Measures what is promised of speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(BENCHMARKS)}")
    parser.add_argument("--long", action="store_true", help="also what takes long, such as 10 million stored sessions")
    parser.add_argument("--short", action="store_true",
                        help="as little as possible, held against bounds so wide that only a defect gets there")
    parser.add_argument("--write-docs", action="store_true", help="write what was measured into docs/performance.md, with plots")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    return options


def measure(name, size):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="watchword-bench-") as folder:
        found = list(BENCHMARKS[name](size, pathlib.Path(folder)))
    report.print_table(found)
    print(f"{name}: {time.monotonic() - began:.0f} s\n", flush=True)
    return found


def main(arguments):
    options = parse(arguments)
    size = Size(short=options.short, long=options.long)
    environment = {"date": report.now(), "command": shlex.join(["tests/bench.sh", *arguments]),
                   "machine": report.machine(), "versions": report.versions(ROOT)}
    sections = [(name, inspect.cleandoc(BENCHMARKS[name].__doc__), measure(name, size))
                for name in options.names or BENCHMARKS]
    found = [each for _, _, section in sections for each in section]
    if options.short:
        broken = [each.name for each in found if goal_of(each) and not goal_of(each).guard_holds(each)]
        for name in broken:
            print(f"out of all bounds: {name}", file=sys.stderr)
        return 1 if broken else 0
    if len(sections) > 1:
        report.print_table(found)
    report.write_json(ROOT / "build/bench/results.json", found, environment)
    if options.write_docs:
        report.write_docs(ROOT / "docs", sections, environment, BENCHMARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
