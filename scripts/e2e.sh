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
# Where tests of the cluster are: to collect all others takes minutes of two workers.
places=$(grep -rl --include='*.py' 'mark\.cluster' tests | xargs dirname | sort -u | xargs)

run() {
  .venv/bin/python -m pytest -o testpaths="$places" "$@"
  local code=$?
  # A failure stays; that one part has no tests does not matter.
  [[ $code == "$no_tests" || ($result != 0 && $result != "$no_tests") ]] || result=$code
}

run -m "$markers and not alone" -n "$workers" "$@"
run -m "$markers and alone" "$@"
exit "$result"
