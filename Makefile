# The commands of TESK. Needs Python 3.11 or newer and a network; no root, no cluster.
# PORT HOST TESK_HOME TESK_ENGINE TESK_FILE_ROOTS TESK_CONFIG go through to the
# services, from the environment or as `make serve PORT=9000`.

BIN = .venv/bin
PACKAGES = libs/tesk-model libs/tesk-runtime libs/tesk-kubernetes services/api services/scheduler \
  services/taskmaster services/filer cli
CODE = libs services cli tests scripts benchmarks
LOCKS = uv.lock pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES) libs/tesk-protos) \
  scripts/setup.sh
# Where set-up put uv if the machine had none.
UV_PATH = PATH="$(CURDIR)/build/uv/bin:$$PATH"
FUZZ_SECONDS = 60
# How many tests run at once: more than there are cores, as many of them wait.
TEST_WORKERS := $(shell n=$$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)); [ $$n -lt 8 ] && echo $$n || echo 8)
E2E_WORKERS = 3
# Services start thousands of times in the tests, and would be compiled at each start.
unexport PYTHONDONTWRITEBYTECODE
# Further arguments, e.g. make test ARGS="-k cancel".
ARGS =

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.PHONY: help run serve test test-long chaos azurite nginx kueue promtool fuzz e2e e2e-long soak check check-alone screenshots bench protos configuration \
  chart-reference manifest manifest-template \
  images load launcher setup format lint types imports dependencies generated clean

help: ## List what make can do.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

run: .venv/.stamp-run ## Set up, and run examples/quickstart.json from start to end.
	@$(BIN)/tesk run examples/quickstart.json

serve: .venv/.stamp-run ## Set up, and serve TES on 127.0.0.1:8080 until Ctrl-C.
	@exec $(BIN)/tesk serve

test: .venv/.stamp-dev build/snakemake/.stamp ## Run every test that needs no cluster.
	$(BIN)/python -m pytest -m "not cluster and not chaos and not long" -n $(TEST_WORKERS) $(ARGS)

test-long: .venv/.stamp-dev ## Likewise, those that take long and differ little from one that `make test` has.
	$(BIN)/python -m pytest -m "long and not cluster" -n $(TEST_WORKERS) $(ARGS)

chaos: .venv/.stamp-dev ## Kill schedulers at each of their writes and actions, on both databases (minutes).
	$(BIN)/python -m pytest -m chaos tests/chaos $(ARGS)

azurite: ## Install Microsoft's emulator of Azure Storage, on which tests then run, too (needs npm).
	npm install --no-audit --no-fund --no-save --ignore-scripts --prefix build/azurite azurite@3.37.0

nginx: ## Unpack Debian's nginx, through which tests of events then pass, too (needs apt-get).
	@scripts/nginx.sh build/nginx

kueue: ## Build the controller of Kueue, with which tests of the cluster then have queues (needs go).
	@scripts/kueue.sh build/kueue

promtool: ## Build Prometheus' promtool, with which tests then evaluate the alerts of the chart (needs go).
	@scripts/promtool.sh build/promtool

fuzz: .venv/.stamp-dev ## Send the API whatever can be made up, for $FUZZ_SECONDS (60) each way.
	TESK_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/attacks/test_fuzz.py $(ARGS)

e2e: .venv/.stamp-dev ## Run the tests of the cluster of $KUBECONFIG; SKIP_IMAGES=1: its images are there.
	@[ -n "$(SKIP_IMAGES)" ] || $(MAKE) --no-print-directory images load
	@[ -n "$(SKIP_IMAGES)" ] || { tests/cluster/images.sh build && tests/cluster/images.sh load; }
	scripts/e2e.sh "cluster and not long" $(E2E_WORKERS) $(ARGS)

e2e-long: .venv/.stamp-dev ## Likewise, what takes long: among others faults and scenarios in the other layouts; the images are there.
	scripts/e2e.sh "cluster and long" $(E2E_WORKERS) --dist=loadfile $(ARGS)

soak: .venv/.stamp-dev ## 2,000 tasks and an upgrade on the cluster of $KUBECONFIG, whose images are there.
	TESK_BURST=2000 $(BIN)/python -m pytest tests/e2e/test_cluster_capacity.py -k burst $(ARGS)

check: lint types imports dependencies generated ## Check format, types, imports, generated files.

lint: .venv/.stamp-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: .venv/.stamp-dev
	$(BIN)/mypy $(wildcard $(CODE))

imports: .venv/.stamp-dev
	$(BIN)/lint-imports

dependencies: .venv/.stamp-dev
	scripts/check_dependencies.sh

generated: .venv/.stamp-dev
	scripts/check_generated.sh

check-alone: .venv/.stamp-dev ## Install each service alone, and import it.
	scripts/check_alone.sh

screenshots: .venv/.stamp-dev ## Take the pictures of docs/web.md (needs Chromium).
	$(BIN)/python scripts/screenshots.py docs/images

bench: .venv/.stamp-dev ## Measure; prints the tables of docs/benchmarks.md.
	$(BIN)/python benchmarks/run.py $(ARGS)

format: .venv/.stamp-dev ## Put the code into its form.
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

protos: .venv/.stamp-dev ## Generate the code of protos/.
	$(BIN)/python scripts/generate_protos.py libs/tesk-protos/src

configuration: .venv/.stamp-dev ## Generate docs/configuration.md.
	$(BIN)/python scripts/generate_configuration.py docs/configuration.md

chart-reference: .venv/.stamp-dev ## Generate the values of helm/tesk from values.schema.yaml.
	$(BIN)/python scripts/generate_chart_reference.py helm/tesk

manifest: ## Write build/tesk.yaml for kubectl apply; $NAMESPACE must exist (default: its own, tesk).
	@python3 scripts/make_manifest.py build/tesk.yaml $(NAMESPACE)

manifest-template: ## Render deploy/tesk.yaml.in, from which manifest starts (needs helm).
	@python3 scripts/make_manifest.py --template deploy/tesk.yaml.in

images: ## Build an image of each service with $DOCKER (docker); print the sizes.
	@scripts/images.sh build

load: ## Give the images to a cluster by $LOAD_IMAGE (kind load docker-image).
	@scripts/images.sh load

launcher: ## Compile the launcher of the container engine (cc, else zig).
	@if command -v cc >/dev/null 2>&1; then $(MAKE) -C services/taskmaster/launcher; \
	else $(MAKE) .venv/.stamp-zig && $(MAKE) -C services/taskmaster/launcher \
	  CC="$(CURDIR)/$(BIN)/python -m ziglang cc -target $$(uname -m)-linux-musl"; fi

setup: .venv/.stamp-dev ## Make .venv with all tools.

clean: ## Remove what was made, but for the state of servers.
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache

.venv/.stamp-run: $(LOCKS)
	@scripts/setup.sh run
	@touch $@

.venv/.stamp-dev: $(LOCKS)
	@scripts/setup.sh dev
	@touch .venv/.stamp-run $@

# Snakemake in an environment of its own: its TES executor needs an older py-tes.
build/snakemake/.stamp: uv.lock .venv/.stamp-run
	@$(UV_PATH) UV_PROJECT_ENVIRONMENT=build/snakemake uv sync --quiet --locked --only-group snakemake
	@touch $@

.venv/.stamp-zig: .venv/.stamp-run
	@$(UV_PATH) uv sync --quiet --inexact --all-packages --locked --group launcher
	@touch $@
