#!/usr/bin/env bash
# Builds the fuzz targets and runs them, each for a time, beginning with the corpora in tests/fuzz/corpus.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

usage() {
  cat <<'END'
usage: tests/fuzz.sh SECONDS [TARGET…]

Runs each target (token, jwks, opaque, bearer, feed, config, password_hash; default: all of them) for SECONDS. What it
finds on the way is kept in build/fuzz/corpus, so that the next run goes on from there. Ends with the first input that
breaks a promise, which is then in build/fuzz/found; to see it again: build/fuzz/fuzz/fuzz_TARGET FILE.
END
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  usage
  exit 0
fi
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || die "how many seconds? See tests/fuzz.sh --help"
seconds=$1
shift
targets=("$@")
((${#targets[@]} > 0)) || targets=(token jwks opaque bearer feed config password_hash)

install_packages "$root/cmake/debian-packages.txt" <(printf '%s\n' clang-14 libclang-rt-14-dev libfuzzer-14-dev)
cd "$root"
mkdir -p build/fuzz/found
log=build/fuzz-build.log
if ! { cmake --preset fuzz && cmake --build --preset fuzz --target "${targets[@]/#/fuzz_}"; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  die "the build failed; the whole log is in $log"
fi
export UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=$root/tests/lsan.supp:print_suppressions=0
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target"
  log=build/fuzz/$target.log
  # -malloc_limit_mb: no input may make us take more memory than any good input needs.
  if ! "build/fuzz/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=256 \
    -max_len=16384 -print_final_stats=1 -artifact_prefix="build/fuzz/found/$target-" \
    "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    die "$target: an input breaks a promise; it is in build/fuzz/found"
  fi
  say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, $(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2) edges"
done
