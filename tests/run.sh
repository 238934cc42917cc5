#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Ends with ctest's summary and its exit code.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

grpcurl_version=v1.8.9 # the newest that Debian 12's Go 1.19 builds

usage() {
  cat <<'END'
usage: tests/run.sh [--preset NAME] [ctest arguments…]

  --preset NAME   a preset of CMakePresets.json; default: release
  others          go to ctest, such as -R token_test, -LE e2e or --repeat until-fail:10

WATCHWORD_VECTORS=DIR names the folder of test vectors that do not come with the project: the files of
github.com/C2SP/wycheproof (testvectors_v1/json_web_*_test.json) in DIR/wycheproof, and
DIR/username_collation_pairs.json. Without it the tests that need them are left out.
END
}

install_grpcurl() {
  local bin=$root/build/tools/bin log go
  [[ ! -x $bin/grpcurl ]] || return 0
  go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
  say "Installing grpcurl $grpcurl_version with $go"
  mkdir -p "$bin"
  log=$(mktemp)
  if ! GOBIN=$bin "$go" install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "could not build grpcurl; is there a network?"
  fi
  rm -f "$log"
}

preset=release
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  usage
  exit 0
fi
if [[ ${1:-} == --preset ]]; then
  preset=${2:-}
  [[ -n $preset ]] || die "--preset needs a name"
  shift 2
fi

declare -a selection=()
if [[ -z ${WATCHWORD_VECTORS:-} ]]; then
  say "Leaving out the tests labelled \"vectors\": set WATCHWORD_VECTORS to run them, with the vectors of" \
    "github.com/C2SP/wycheproof (see tests/run.sh --help)"
  selection+=(--label-exclude '^vectors$')
fi

install_packages "$root/cmake/debian-packages.txt" "$root/tests/debian-packages.txt"
install_grpcurl
cd "$root"
mkdir -p build
exec {lock}>"build/$preset-build.lock" # two builds in one folder would spoil each other's files
flock "$lock"
say "Building the preset $preset; the first time takes some minutes"
log=build/$preset-build.log
if ! { cmake --preset "$preset" -DWATCHWORD_BUILD_TESTS=ON && cmake --build --preset "$preset"; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  die "the build failed; the whole log is in $log"
fi
exec {lock}>&-
exec ctest --test-dir "build/$preset" --parallel "$(nproc)" --output-on-failure --no-label-summary \
  --no-tests=error "${selection[@]}" "$@"
