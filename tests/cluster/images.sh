#!/bin/sh
# Usage: tests/cluster/images.sh build|load|names
# Images that the end-to-end tests need beside TESK's own. build: makes the small
# ones with $DOCKER (default docker). load: gives all to a cluster, each by
# `$LOAD_IMAGE NAME` (default `kind load docker-image`). names: prints their names.
set -eu
cd "$(dirname "$0")/images"

docker=${DOCKER:-docker}
load=${LOAD_IMAGE:-kind load docker-image}
built='static entrypoint user app'
others="busybox:latest alpine:latest ${TESK_E2E_S3_IMAGE:-minio/minio:latest} ${TESK_E2E_POSTGRES_IMAGE:-postgres:15}"

names() {
  for image in $built; do echo "tesk-test-$image:1"; done
  for image in $others; do echo "$image"; done
}

case "${1:-}" in
  build) for image in $built; do
      $docker build --quiet --file "$image.Dockerfile" --tag "tesk-test-$image:1" .
    done ;;
  load) for image in $(names); do
      $docker image inspect "$image" >/dev/null 2>&1 || $docker pull --quiet "$image"
      $load "$image"
    done ;;
  names) names ;;
  *) echo "images: build, load or names, not ${1:-nothing}" >&2; exit 2 ;;
esac
