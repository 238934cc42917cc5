#!/usr/bin/env bash
# Builds the image without a Docker engine, from programs that were built on this Debian 12.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

usage() {
  cat <<'END'
usage: deploy/build-image.sh [--target server|example] [--bin DIR]

  --target NAME   which image of deploy/Dockerfile; default: server
  --bin DIR       programs that are built already; default: build/release/bin, which it builds

Leaves in build/image: NAME.tar, an OCI archive (skopeo copy oci-archive:build/image/NAME.tar docker://…, or docker
load), and NAME/, the root filesystem in it. Runs as root, or with sudo. The image is named watchword:VERSION or
watchword-orders:VERSION, VERSION being that of CMakeLists.txt. Two runs on one commit with the same versions of
Debian's packages give the same image.
END
}

target=server
bin=''
while (($# > 0)); do
  case $1 in
    --target | --bin)
      (($# > 1)) || die "$1 needs a value"
      if [[ $1 == --bin ]]; then bin=$2; else target=$2; fi
      shift 2
      ;;
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
case $target in
  server) programs=(watchwordd watchword) name=watchword ;;
  example) programs=(orders) name=watchword-orders ;;
  *) die "there are the targets server and example, not \"$target\"" ;;
esac

build_programs() {
  local log=build/image-build.log
  local -a configure=(cmake --preset release)
  [[ -f build/release/CMakeCache.txt ]] || configure+=(-DWATCHWORD_BUILD_TESTS=OFF)
  install_packages cmake/debian-packages.txt
  say "Building ${programs[*]}; the first time takes some minutes (log: $log)"
  if ! { "${configure[@]}" && cmake --build --preset release --target "${programs[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    die "the build failed; the whole log is in $log"
  fi
}

# buildah, with its storage in the build folder.
buildah_here() {
  as_root buildah --root "$root/build/image/storage" --runroot "$root/build/image/run" --storage-driver vfs "$@"
}

cd "$root"
grep -q '^VERSION_ID="12"' /etc/os-release ||
  die "the image is of Debian 12, and this is not: build deploy/Dockerfile with a container engine instead"
mkdir -p build/image
if [[ -z $bin ]]; then
  build_programs
  bin=build/release/bin
fi
install_packages <(printf 'binutils\nbuildah\nca-certificates\n')
as_root apt-get -qq update

version=$(sed -n 's/^project(watchword VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH

stage=build/image/stage-$target
as_root rm -rf "$stage" "build/image/$target" "build/image/$target.tar" build/image/storage build/image/run
mkdir -p "$stage"
deploy/image/make-root.sh "$bin" "$stage/$target" "${programs[@]}"
mkdir "$stage/data-dir"
touch --date "@$SOURCE_DATE_EPOCH" "$stage/data-dir"
buildah_here build --quiet --isolation chroot --format oci --pull-never --file deploy/Dockerfile --target "$target" \
  --build-context "build=$root/$stage" --timestamp "$SOURCE_DATE_EPOCH" --tag "$name:$version" \
  --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$commit" \
  deploy/image >/dev/null
buildah_here push --quiet "$name:$version" "oci-archive:build/image/$target.tar:$name:$version"
container=$(buildah_here from --pull-never "$name:$version")
as_root cp -a "$(buildah_here mount "$container")" "build/image/$target"
as_root rm -rf "$stage" build/image/storage build/image/run
say "build/image/$target.tar holds $name:$version, $(du -sh --apparent-size "build/image/$target" | cut -f1)"
