#!/bin/sh
# Installs each service into an environment of its own, as its image has it,
# and imports its main: a dependency that it does not declare is missing there.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/build/uv/bin:$PATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset VIRTUAL_ENV

# Built anew: what uv keeps of our packages it takes for current until a
# pyproject.toml changes.
refresh=
for name in protos model runtime kubernetes api scheduler taskmaster filer cli; do
  refresh="$refresh --refresh-package tesk-$name"
done

for name in api scheduler taskmaster filer cli; do
  # shellcheck disable=SC2086 # several words on purpose
  UV_PROJECT_ENVIRONMENT=$folder/$name UV_PYTHON=.venv/bin/python uv sync --quiet \
    --package "tesk-$name" --no-dev --no-editable --locked $refresh
  "$folder/$name/bin/python" -c "import tesk_$name.main"
  echo "tesk-$name: $(ls -d "$folder/$name"/lib/python*/site-packages/*.dist-info | wc -l) distributions"
done
