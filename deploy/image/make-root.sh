#!/usr/bin/env bash
# Makes the root filesystem of an image: programs, and the Debian packages that hold the shared libraries they load.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

if (($# < 3)); then
  cat >&2 <<'END'
usage: deploy/image/make-root.sh BIN_DIR ROOT PROGRAM…

Runs on Debian 12, where the programs were built. Needs the package lists of apt-get update. Downloads the packages, so
that each image has the newest of them, and unpacks them without running anything of theirs; so it needs no rights.
SOURCE_DATE_EPOCH is the time of all files in it, 0 unless set.
END
  exit 1
fi
bin=$(cd "$1" && pwd)
destination=$2
shift 2

# libraries PROGRAM…: the files that the dynamic linker would load.
libraries() {
  local program found
  for program in "$@"; do
    found=$(ldd "$bin/$program") || die "$program cannot be looked into: was it built on this machine?"
    ! grep 'not found' <<<"$found" >&2 || die "$program lacks a library here"
    awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' <<<"$found"
  done | sort -u
}

# owner FILE: the package that brings it. Debian 12 knows some files by their path before /lib became a link.
owner() {
  local path
  for path in "$1" "/usr$1" "${1#/usr}"; do
    if dpkg-query --search "$path" 2>/dev/null | cut -d: -f1; then return 0; fi
  done
  die "$1 is of no Debian package"
}

# unpack PACKAGE-FILE: its files, and its entry where scanners look for the packages of an image without dpkg.
unpack() {
  dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --no-same-owner --directory "$destination"
  dpkg-deb --field "$1" >"$destination/var/lib/dpkg/status.d/$(dpkg-deb --field "$1" Package)"
}

# What no program reads here. Licences (/usr/share/doc/*/copyright) stay; so do the plugins of the database's library.
remove_needless() {
  local multiarch
  multiarch=$(dpkg-architecture --query DEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
  find "$destination/usr/share" -mindepth 1 -maxdepth 1 ! -name doc -exec rm -rf {} +
  find "$destination/usr/share/doc" ! -type d ! -name copyright -delete
  rm -rf "${destination:?}/usr/lib/$multiarch/gconv" "${destination:?}/usr/lib/$multiarch/audit"
  find "$destination" -name '*.conf' -path '*/etc/ld.so.conf.d/*' -delete
  find "$destination/usr" -mindepth 2 -type d -empty -delete
}

[[ ! -e $destination ]] || die "$destination exists; remove it first"
umask 022
mkdir -p "$destination"/{etc,tmp,usr/{bin,lib,lib64,sbin,share/doc},var/lib/dpkg/status.d}
chmod 1777 "$destination/tmp"
ln -s usr/lib "$destination/lib"
ln -s usr/lib64 "$destination/lib64"
ln -s usr/bin "$destination/bin"
ln -s usr/sbin "$destination/sbin"

downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
mapfile -t files < <(libraries "$@")
((${#files[@]} > 0)) || die "found no libraries"
mapfile -t packages < <(for file in "${files[@]}"; do owner "$file"; done | sort -u)
((${#packages[@]} > 0)) || die "found no packages"
say "Downloading ${#packages[@]} packages: ${packages[*]}"
(cd "$downloads" && apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}") ||
  die "could not download them; is there a network, and has apt-get update been run?"
for package in "$downloads"/*.deb; do unpack "$package"; done
remove_needless

printf '%s\n' root:x:0:0::/:/nonexistent watchword:x:65532:65532::/var/lib/watchword:/nonexistent >"$destination/etc/passwd"
printf '%s\n' root:x:0: watchword:x:65532: >"$destination/etc/group"
for program in "$@"; do
  install -D -m 755 "$bin/$program" "$destination/usr/bin/$program"
  strip "$destination/usr/bin/$program"
done
find "$destination" -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH:-0}" {} +
