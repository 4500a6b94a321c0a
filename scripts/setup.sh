#!/bin/sh
# Usage: scripts/setup.sh run|dev
# Makes .venv from uv.lock: with what TESK needs to run, or with all tools as
# well. Needs Python 3.11 or newer with pip; uv is put into build/uv unless
# a recent one is on the PATH.
set -eu
cd "$(dirname "$0")/.."

suits() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  for name in ${PYTHON:-} .venv/bin/python python3 python3.11 python3.12 python3.13 python3.14 python; do
    if suits "$name"; then
      "$name" -c 'import os, sys; print(os.path.realpath(sys.executable))'
      return
    fi
  done
  echo "set-up: Python 3.11 or newer is needed; name it by PYTHON=/path/to/python" >&2
  exit 1
}

find_uv() {
  for name in uv build/uv/bin/uv; do
    # Reads pyproject.toml, and so refuses if uv is older than it wants.
    if "$name" version --short >/dev/null 2>&1; then
      echo "$name"
      return
    fi
  done
  echo "set-up: installing uv into build/uv" >&2
  if "$1" -m pip --version >/dev/null 2>&1; then
    "$1" -m pip install --quiet --disable-pip-version-check --upgrade \
      --target build/uv 'uv>=0.8' >&2
  else
    "$1" -m venv build/uv >&2
    build/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8' >&2
  fi
  echo build/uv/bin/uv
}

export PIP_ROOT_USER_ACTION=ignore # it goes into a folder of ours
python=$(find_python)
uv=$(find_uv "$python")
case "$1" in
  # Without removing the tools, if they are there.
  run) set -- --no-dev --inexact ;;
  dev) set -- ;;
  *) echo "set-up: run or dev, not $1" >&2; exit 2 ;;
esac
echo "set-up: Python packages into .venv" >&2
UV_PYTHON=$python "$uv" sync --quiet --all-packages --locked "$@"

# The container engine needs it; other engines do not, so no compiler is no error.
if command -v cc >/dev/null 2>&1; then
  mkdir -p build
  make --silent -C services/taskmaster/launcher >build/launcher.log 2>&1 ||
    echo "set-up: the launcher was not built (build/launcher.log); containers need it" >&2
fi
