#!/usr/bin/env bash
# venv.sh DIR: a virtual environment with dockerdoctor (editable) and the tools for its development.
#
# $PYTHON (python3) makes it. DIR/installed is written last, so that half an environment is made anew.
set -euo pipefail
cd "$(dirname "$0")"
. ./retry.sh
cd ..
venv=$1
python=${PYTHON:-python3}

die() {
  echo "$1" >&2
  exit 1
}

command -v "$python" >/dev/null || die "there is no $python here: install Python 3.11 or later"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "dockerdoctor needs Python 3.11 or later and $python is $("$python" -V 2>&1 | cut -d' ' -f2);
name a newer one: make ... PYTHON=python3.12"

can_make_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

if ! can_make_venv; then
  version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  hint="this Python cannot make virtual environments; on Debian: apt-get install $version-venv"
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || die "$hint"
  apt_install "$version-venv"
  can_make_venv || die "$hint"
fi

echo "installing dockerdoctor and its tools into $venv" >&2
"$python" -m venv --clear "$venv"
retry "$venv/bin/python" -m pip install --disable-pip-version-check --editable '.[dev]'
touch "$venv/installed"
