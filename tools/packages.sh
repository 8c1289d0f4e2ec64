#!/usr/bin/env bash
# packages.sh NAME ...: install those Debian packages that are missing, if we may; else name them.
#
# Exit code 0 also where nothing can be installed: the tests that need them say so and are skipped
# (with CI=true they fail).
set -euo pipefail
cd "$(dirname "$0")"
. ./retry.sh

missing=()
for name in "$@"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "not Debian or Ubuntu: the lab and some tests are skipped (they need ${missing[*]})" >&2
elif [ "$(id -u)" != 0 ]; then
  echo "not root: the lab and some tests are skipped (they need: sudo apt-get install ${missing[*]})" >&2
else
  apt_install "${missing[@]}"
fi
