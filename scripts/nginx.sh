#!/bin/sh
# Usage: scripts/nginx.sh FOLDER
# Puts the nginx of Debian or Ubuntu into FOLDER, installing nothing, for tests of answers
# that pass through a proxy. Needs apt-get.
set -eu

mkdir -p "$1"
cd "$1"
rm -rf ./*.deb usr
apt-get download --quiet nginx
dpkg-deb --fsys-tarfile nginx_*.deb | tar -x ./usr/sbin/nginx
rm ./*.deb
usr/sbin/nginx -v
