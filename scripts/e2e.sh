#!/usr/bin/env bash
# Runs the tests of the cluster of $KUBECONFIG: several at once, each worker with a TESK
# of its own, and then those that need the cluster for themselves.
#
#     scripts/e2e.sh MARKERS WORKERS [ARGUMENT OF PYTEST]...
set -uo pipefail

markers=$1 workers=$2
shift 2
no_tests=5 # what pytest ends with if the arguments choose none
result=$no_tests

run() {
  .venv/bin/python -m pytest "$@"
  local code=$?
  # A failure stays; that one part has no tests does not matter.
  [[ $code == "$no_tests" || ($result != 0 && $result != "$no_tests") ]] || result=$code
}

run -m "$markers and not alone" -n "$workers" "$@"
run -m "$markers and alone" "$@"
exit "$result"
