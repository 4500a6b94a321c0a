#!/bin/sh
# Usage: scripts/kueue.sh FOLDER
# Builds the controller of Kueue into FOLDER, with its CustomResourceDefinitions
# in FOLDER/crd, for tests: a cluster needs its release. Needs go.
set -eu
module=sigs.k8s.io/kueue
version=v0.17.0

mkdir -p "$1"
cd "$1"
GOBIN=$PWD go install "$module/cmd/kueue@$version"
sources=$(go mod download -json "$module@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
rm -rf crd
cp -R "$sources/config/components/crd/bases" crd
chmod -R u+w crd
