#!/bin/sh
# Usage: scripts/promtool.sh FOLDER
# Builds Prometheus' promtool into FOLDER, with which tests then evaluate the alerts of
# the chart on metrics of real services. Needs go.
set -eu
module=github.com/prometheus/prometheus
version=v0.316.0

mkdir -p "$1"
cd "$1"
# It does not need what finds servers to scrape, which is most of it.
GOBIN=$PWD go install -tags remove_all_sd "$module/cmd/promtool@$version"
