#!/usr/bin/env bash
# Installs what is missing, builds the release preset's benchmarks, runs them, and prints what they come to beside the goals.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

usage() {
  cat <<'END_OF_USAGE'
usage: tests/bench.sh [NAME…] [--long] [--write-docs]

Measures what is promised of speed and memory, each beside what it is measured against, and writes the figures to
build/bench/results.json. Use a machine that does nothing else. Without names it runs all of interceptor, verify_cached,
verify_uncached, validate, login, login_flood, login_timing, logout_lag, revocations, growth, refresh, alternatives,
which takes less than half an hour.

  --long         also what takes longer: 10 million stored sessions, 20,000 pairs of timed logins
  --write-docs   write what was measured into docs/performance.md, with plots
END_OF_USAGE
}

for argument in "$@"; do
  if [[ $argument == -h || $argument == --help ]]; then
    usage
    exit 0
  fi
done

install_packages "$root/cmake/debian-packages.txt" "$root/tests/debian-packages.txt" "$root/tests/bench/debian-packages.txt"
cd "$root"
mkdir -p build
exec {lock}>build/release-build.lock # as tests/run.sh
flock "$lock"
say "Building the preset release; the first time takes some minutes"
log=build/bench-build.log
if ! { cmake --preset release -DWATCHWORD_BUILD_TESTS=ON && cmake --build --preset release --target benchmarks; } \
  >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  die "the build failed; the whole log is in $log"
fi
# What a Go service does is measured where Go is there.
go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
if ! env --chdir=tests/bench/go GOFLAGS=-buildvcs=false "$go" build -o "$root/build/release/bench/go_service" . >>"$log" 2>&1; then
  say "Leaving out the Go service: it could not be built; see $log"
fi
exec {lock}>&-
export BIN_DIR=$root/build/release/bin BENCH_DIR=$root/build/release/bench TOOLS_DIR=$root/build/tools/bin
exec /usr/bin/python3 -B tests/bench/bench.py "$@"
