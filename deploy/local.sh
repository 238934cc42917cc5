#!/usr/bin/env bash
# Shows Watchword at work on this machine: installs what is missing, builds, starts the server and an example service on
# loopback, and walks through login, a call to the example, validate, logout, and the refused call.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

usage() {
  cat <<'END'
usage: deploy/local.sh [--once]

  --once   stop everything after the walk; the exit code is 0 only if each step went as it should

Uses the ports 7070 (gRPC), 7071 (metrics, probes, public keys) and 7080 (the example service), all on 127.0.0.1;
WATCHWORD_PORT_BASE=N moves them to N, N+1 and N+10. Keeps everything in build/local, which each run begins anew.
END
}

once=false
for argument in "$@"; do
  case $argument in
    --once) once=true ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 1
      ;;
  esac
done

port_base=${WATCHWORD_PORT_BASE:-7070}
if ! [[ $port_base =~ ^[0-9]{1,5}$ ]] || ((10#$port_base < 1 || 10#$port_base > 65525)); then
  die "WATCHWORD_PORT_BASE is \"$port_base\": must be a port from 1 to 65525"
fi
port_base=$((10#$port_base))
auth=127.0.0.1:$port_base
ops=127.0.0.1:$((port_base + 1))
orders=127.0.0.1:$((port_base + 10))

# Settings of the caller's own installation must not get into this one.
while read -r variable; do unset "$variable"; done < <(compgen -e WATCHWORD_ || true)

cd "$root"
state=build/local
export PATH=$root/build/release/bin:$root/build/tools/bin:$PATH

# --- preparing ---

build() {
  local log=build/local-build.log
  local -a configure=(cmake --preset release)
  # A build folder that has the tests keeps them.
  [[ -f build/release/CMakeCache.txt ]] || configure+=(-DWATCHWORD_BUILD_TESTS=OFF)
  mkdir -p build
  say "Building; the first time takes some minutes (log: $log)"
  if ! ("${configure[@]}" &&
    cmake --build --preset release --target watchwordd watchword orders orders_client) >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    die "the build failed; the whole log is in $log"
  fi
}

# Whether something listens on 127.0.0.1:PORT.
is_taken() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

check_ports() {
  local address
  for address in "$auth" "$ops" "$orders"; do
    if is_taken "${address##*:}"; then
      die "something listens on $address already; stop it, or set WATCHWORD_PORT_BASE to other ports"
    fi
  done
}

# --- the two servers ---

declare -A processes=()

# Part of what is shown, unlike `say`.
tell() { printf '%s\n' "$*"; }

# shellcheck disable=SC2317 # called by a trap
stop_servers() {
  local name
  trap '' INT TERM
  for name in orders watchwordd; do
    [[ -n ${processes[$name]:-} ]] || continue
    kill -TERM "${processes[$name]}" 2>/dev/null || true
    wait "${processes[$name]}" 2>/dev/null || true
  done
}

# start NAME COMMAND…: runs it in the background, with its output in a log.
start() {
  local name=$1
  shift
  tell "  \$ $*"
  "$@" >"$state/$name.log" 2>&1 </dev/null {lock}>&- &
  processes[$name]=$!
}

# wait_for NAME COMMAND…: waits until the command succeeds, as long as the server NAME runs.
wait_for() {
  local name=$1 tries
  shift
  for ((tries = 0; tries < 300; ++tries)); do
    if ! kill -0 "${processes[$name]}" 2>/dev/null; then
      tail -n 5 "$state/$name.log" >&2
      die "$name ended; its output is in $state/$name.log"
    fi
    if "$@" >/dev/null 2>&1 </dev/null; then return 0; fi
    sleep 0.1
  done
  tail -n 5 "$state/$name.log" >&2
  die "$name is not ready after 30 s; its output is in $state/$name.log"
}

start_servers() {
  echo
  tell "Starting the server, with the embedded store and a first administrator:"
  start watchwordd watchwordd --listen "$auth" --ops-listen "$ops" --data-dir "$state/data" --issuer "http://$auth" \
    --bootstrap-admin admin
  wait_for watchwordd watchword health watchword.v1.AuthService
  echo
  tell "The administrator, whose password the server has generated, makes an account for the service, which watches with"
  tell "it who logs out; then the service starts."
  step '' "watchword login admin --scope watchword.admin --password-stdin <$state/data/bootstrap-admin-password"
  step '' "watchword service-account add orders --scope watchword.verifier --out $state/orders-account"
  start orders orders --listen "$orders" --auth-service "$auth" --issuer "http://$auth" \
    --service-account "$state/orders-account"
  wait_for orders orders_client "$orders" status
}

# --- the walk ---

# step PATTERN COMMAND [--refused]: shows the command, runs it in this shell and shows its output, in which the extended
# regular expression, if any, must be found. With --refused the command must fail, otherwise succeed.
step() {
  local pattern=$1 command=$2 expected=${3:-} code=0
  tell "  \$ $command"
  eval "$command" >"$state/output" 2>&1 </dev/null || code=$?
  sed 's/^/    /' "$state/output"
  if [[ $expected == --refused ]] && ((code == 0)); then die "this should have been refused"; fi
  if [[ $expected != --refused ]] && ((code != 0)); then die "this should have worked; it ended with $code"; fi
  [[ -z $pattern ]] || grep -qE "$pattern" "$state/output" || die "the output should have had: $pattern"
}

make_demo_user() {
  (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$state/demo-password")
  echo
  tell "The administrator makes a user."
  step '' "watchword user add demo --scope orders.read --scope orders.write --password-stdin <$state/demo-password"
  step '' 'watchword logout'
}

walk() {
  local call
  # The tools put the credential into no argument: those can be read by everybody on the machine.
  # shellcheck disable=SC2016
  if command -v grpcurl >/dev/null; then
    call="grpcurl -plaintext -expand-headers -H 'authorization: Bearer \${TOKEN}' $orders orders.v1.OrdersService/ListOrders"
  else
    call="echo \"\$TOKEN\" | orders_client $orders list"
  fi
  echo
  tell "1. The user logs in, once, for the service \"orders\"."
  step '' "watchword login demo --audience orders --scope orders.read --scope orders.write --include-username \\
      --password-stdin <$state/demo-password"
  echo
  tell "2. The service checks the user's credential in its own memory, and knows who calls."
  step '' "export TOKEN=\"\$(watchword token)\""
  step 'demo' "$call"
  echo
  tell "3. Whoever holds a credential may ask the server what it is worth."
  step 'demo' 'watchword validate'
  echo
  tell "4. The user logs out, and waits until the service has acknowledged it."
  step '1 of 1' 'watchword logout --wait'
  echo
  tell "5. At once, the service refuses the same credential, though it has not expired."
  step 'UNAUTHENTICATED|Unauthenticated' "$call" --refused
  grep -q 'TOKEN_REVOKED' "$state/output" || die "the reason should have been TOKEN_REVOKED"
  echo
  tell "That is all: each step went as it should."
}

print_what_next() {
  cat <<END

The servers go on running; Ctrl-C stops them. In another terminal:

  cd $root
  export PATH=\$PWD/build/release/bin:\$PWD/build/tools/bin:\$PATH
  export XDG_STATE_HOME=\$PWD/build/local/state WATCHWORD_ADDRESS=$auth

  watchword login demo --audience orders --scope orders.read --scope orders.write --include-username \\
    --password-stdin <build/local/demo-password
  watchword whoami
  watchword token | orders_client $orders cancel 1
  watchword --help

With grpcurl (go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.8.9):

  grpcurl -plaintext $auth describe watchword.v1.AuthService
  export TOKEN=\$(watchword token)
  grpcurl -plaintext -expand-headers -H 'authorization: Bearer \${TOKEN}' $auth watchword.v1.AuthService/Validate
  grpcurl -plaintext -expand-headers -H 'authorization: Bearer \${TOKEN}' -d '{"order": "1"}' \\
    $orders orders.v1.OrdersService/CancelOrder

For those who run it: http://$ops/metrics, /readyz and /.well-known/jwks.json; logs in build/local/*.log.
END
}

# --- all of it ---

install_packages cmake/debian-packages.txt
build
exec {lock}>build/local.lock
flock --nonblock "$lock" || die "it runs already, in this folder"
check_ports
rm -rf build/local
mkdir -m 700 "$state"
export XDG_STATE_HOME=$root/$state/state WATCHWORD_ADDRESS=$auth
trap stop_servers EXIT
trap 'exit 130' INT TERM
start_servers
make_demo_user
walk
if $once; then exit 0; fi
print_what_next
trap 'exit 0' INT
wait -n || true
die "one of the servers ended; see the logs in build/local"
