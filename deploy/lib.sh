# shellcheck shell=bash
# Functions that the scripts share. Source it.

# ccache then knows a file again that it has compiled in another clone of the project.
CCACHE_BASEDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CCACHE_BASEDIR CCACHE_NOHASHDIR=1

# Says on standard error what is going on.
say() { printf '%s\n' "$*" >&2; }

# Ends the script with a reason.
die() {
  say "${0##*/}: $*"
  exit 1
}

# Runs a command as root: directly, or with sudo.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

# Whether a Debian package is installed.
is_installed() { [[ $(dpkg-query --show --showformat '${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]; }

# install_packages FILE…: installs those of the packages listed in the files (one a line, # comments) that are missing.
install_packages() {
  local -a wanted missing=()
  local package log
  mapfile -t wanted < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@")
  command -v dpkg-query >/dev/null || die "this is not Debian; install what these packages hold by hand: ${wanted[*]}"
  for package in "${wanted[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  if [[ $(id -u) -ne 0 ]] && ! command -v sudo >/dev/null; then
    die "packages are missing; run this as root or with sudo, or install them: apt-get install ${missing[*]}"
  fi
  say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  log=$(mktemp)
  if ! as_root apt-get -qq update >"$log" 2>&1 ||
    ! as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install --yes --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "could not install them; is there a network? To try by hand: apt-get install ${missing[*]}"
  fi
  rm -f "$log"
}
