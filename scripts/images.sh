#!/bin/sh
# Usage: scripts/images.sh build|load|names
# build: makes an image of each service with $DOCKER (default docker) and prints
# their sizes. load: gives them to a cluster, each by `$LOAD_IMAGE NAME` (default
# `kind load docker-image`). names: prints their names.
# IMAGE_PREFIX (default tesk-; a registry's name and folder may stand before it) and
# IMAGE_TAG (default the version) make the names; IMAGE_SOURCE is the address of the
# sources, for the label; BUILD_ARGS are further arguments of the build.
set -eu
cd "$(dirname "$0")/.."

docker=${DOCKER:-docker}
load=${LOAD_IMAGE:-kind load docker-image}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
services='api scheduler taskmaster filer'

name_of() {
  echo "${IMAGE_PREFIX:-tesk-}$1:${IMAGE_TAG:-$version}"
}

# The commit, or nothing outside a work tree of git.
revision() {
  commit=$(git rev-parse HEAD 2>/dev/null) || return 0
  git diff --quiet HEAD 2>/dev/null || commit=$commit-dirty
  echo "$commit"
}

build() {
  mkdir -p build
  commit=$(revision)
  for service in $services; do
    started=$(date +%s)
    # shellcheck disable=SC2086 # several words on purpose
    $docker build --file images/Dockerfile --tag "$(name_of "$service")" \
      --build-arg "SERVICE=$service" --build-arg "VERSION=$version" \
      --build-arg "REVISION=$commit" --build-arg "SOURCE=${IMAGE_SOURCE:-}" \
      ${BUILD_ARGS:-} . >"build/image-$service.log" 2>&1 || {
      cat "build/image-$service.log" >&2
      echo "images: $(name_of "$service") was not built" >&2
      exit 1
    }
    echo "images: $(name_of "$service") built in $(($(date +%s) - started)) s" >&2
  done
}

sizes() {
  printf '| image | MB |\n| --- | ---: |\n'
  for service in $services; do
    bytes=$($docker image inspect --format '{{.Size}}' "$(name_of "$service")")
    printf '| %s | %s |\n' "$(name_of "$service")" "$((bytes / 1000000))"
  done
}

case "${1:-}" in
  build) build; sizes ;;
  load) for service in $services; do $load "$(name_of "$service")"; done ;;
  names) for service in $services; do name_of "$service"; done ;;
  *) echo "images: build, load or names, not ${1:-nothing}" >&2; exit 2 ;;
esac
