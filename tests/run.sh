#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Ends with ctest's summary and its exit code.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

# The newest that Debian 12's Go 1.19 builds.
grpcurl=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.8.9
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.0.3
kubeconform=github.com/yannh/kubeconform/cmd/kubeconform@v0.6.3
# The version of Kubernetes whose schemas the manifests are held against. A Python package has them.
kubernetes=1.32.0
kubernetes_schemas="kubernetes-validate==1.32.0"

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

tools=$root/build/tools
go=$(command -v go || echo /usr/lib/go-1.19/bin/go)

# quietly WHAT COMMAND…: shows the command's output only if it fails.
quietly() {
  local what=$1 log
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "could not $what; is there a network?"
  fi
  rm -f "$log"
}

# go_install PROGRAM@VERSION: into the tools' folder, unless it is there.
go_install() {
  local name=${1%@*}
  name=${name%/v[0-9]*}
  name=${name##*/}
  [[ ! -x $tools/bin/$name ]] || return 0
  say "Installing $name ${1#*@} with $go"
  quietly "build $name" env GOBIN="$tools/bin" GOFLAGS=-buildvcs=false "$go" install "$1"
}

# Reads the configurations of other programs with their own types (tests/deploy/decode).
install_decoder() {
  local source=$root/tests/deploy/decode built=$tools/bin/decode
  [[ ! -x $built || $built -ot $source/main.go ]] || return 0
  say "Building decode with $go"
  quietly "build decode" env --chdir="$source" GOFLAGS=-buildvcs=false "$go" build -o "$built" .
}

# The strict schemas of one version of Kubernetes. Their references lead to files beside them, not into the network.
install_schemas() {
  local downloads schemas=v$kubernetes-local-strict
  [[ ! -d $tools/kubernetes-schemas/$schemas ]] || return 0
  say "Downloading $kubernetes_schemas"
  downloads=$(mktemp -d)
  quietly "download $kubernetes_schemas" /usr/bin/python3 -m pip download --quiet --no-deps --dest "$downloads" \
    "$kubernetes_schemas"
  quietly "unpack $kubernetes_schemas" /usr/bin/python3 -m zipfile --extract "$downloads"/*.whl "$downloads"
  # shellcheck disable=SC2016
  sed -i -e 's|"$id": |"$comment": |' -e 's|"/api/_definitions.json#|"_definitions.json#|' \
    "$downloads/kubernetes_validate/kubernetes-json-schema/$schemas"/*.json
  mkdir -p "$tools/kubernetes-schemas"
  mv "$downloads/kubernetes_validate/kubernetes-json-schema/$schemas" "$tools/kubernetes-schemas"
  rm -rf "$downloads"
}

# promtool, out of Debian's package of Prometheus: installing that would start a server.
install_promtool() {
  local downloads
  [[ ! -x $tools/bin/promtool ]] || return 0
  say "Downloading promtool"
  downloads=$(mktemp -d)
  quietly "update the package lists" as_root apt-get -qq update
  (cd "$downloads" && quietly "download prometheus" apt-get -qq -o APT::Sandbox::User=root download prometheus)
  dpkg-deb --fsys-tarfile "$downloads"/prometheus_*.deb | tar --extract --directory "$downloads" ./usr/bin/promtool
  mv "$downloads/usr/bin/promtool" "$tools/bin/"
  rm -rf "$downloads"
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
mkdir -p "$tools/bin"
go_install "$grpcurl"
go_install "$kustomize"
go_install "$kubeconform"
install_decoder
install_schemas
install_promtool
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
