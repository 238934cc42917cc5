#!/usr/bin/env bash
# Kills servers and databases for as long as it is told to, and prints what has been done. Ends with 1 if anything was
# lost, or if memory grew.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

names=(mysql_kill mysql_outcome mysql_failover mysql_replicas steady_memory)

usage() {
  cat <<END
usage: tests/soak.sh MINUTES [NAME…]

Runs the tests that kill things, with more rounds than ctest does: up to 1,000 kills of a server and 200 of the database,
as far as they fit into the time; and watches the memory of a server whose sessions come and go. The programs share the
time equally. Their logs are in build/soak.

  NAME   which programs; default: ${names[*]}

tests/run.sh builds what this runs, and installs what it needs.
END
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  usage
  exit 0
fi
minutes=${1:-}
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "how many minutes? (see --help)"
shift
if (($# > 0)); then names=("$@"); fi

export BIN_DIR=${BIN_DIR:-$root/build/release/bin} TOOLS_DIR=${TOOLS_DIR:-$root/build/tools/bin}
export TEST_BIN_DIR=${TEST_BIN_DIR:-$root/build/release/tests}
[[ -x $BIN_DIR/watchwordd ]] || die "there is no $BIN_DIR/watchwordd; tests/run.sh builds it"
export SOAK_SECONDS=$((minutes * 60 / ${#names[@]}))
logs=$root/build/soak
mkdir -p "$logs"

failed=0
for name in "${names[@]}"; do
  program=$root/tests/e2e/${name}_test.py
  [[ -f $program ]] || die "there is no $program"
  say "$name, for some $SOAK_SECONDS seconds; its log is $logs/$name.log"
  if ! /usr/bin/python3 -B "$program" -v >"$logs/$name.log" 2>&1; then
    failed=1
    tail -n 40 "$logs/$name.log" >&2
  fi
  grep --only-matching 'figure: .*' "$logs/$name.log" | sed "s/^figure:/$name:/" || true
done
exit "$failed"
