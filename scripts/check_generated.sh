#!/bin/sh
# Tells whether committed files are what their generators make of the sources.
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

.venv/bin/python scripts/generate_protos.py "$fresh/protos" 2>"$fresh/log" || {
  cat "$fresh/log" >&2
  exit 1
}
diff -r -x __pycache__ "$fresh/protos/tesk/v1" libs/tesk-protos/src/tesk/v1 || {
  echo "the code of protos/ is not up to date: make protos" >&2
  exit 1
}

.venv/bin/python scripts/generate_configuration.py "$fresh/configuration.md"
diff "$fresh/configuration.md" docs/configuration.md || {
  echo "docs/configuration.md is not up to date: make configuration" >&2
  exit 1
}

.venv/bin/python scripts/generate_chart_reference.py "$fresh/chart"
for page in values.yaml values.schema.json README.md; do
  diff "$fresh/chart/$page" "helm/tesk/$page" || {
    echo "helm/tesk/$page is not up to date: make chart-reference" >&2
    exit 1
  }
done
