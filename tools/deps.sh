#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages listed in tools/packages that are missing.
# With --check only says which are missing, and fails if any is.
set -eu

list=$(dirname "$0")/packages
want=$(sed 's/#.*//' "$list")
have=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $want 2>/dev/null |
	sed -n 's/^[ih]i //p' | tr '\n' ' ') "
missing=
for p in $want; do
	case $have in
	*" $p "*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "${1:-}" = --check ]; then
	echo "missing Debian packages:$missing" >&2
	echo "'make deps' installs them" >&2
	exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "not root and no sudo: install$missing" >&2; exit 1; }
	sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
$sudo apt-get install -q -y --no-install-recommends $missing
