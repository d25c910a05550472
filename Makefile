# The whole of TradePulse on one machine: `make run`. Everything it makes lies in .venv,
# studio_svc/web and .tradepulse; `make clean` removes the first two.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(VENV) $(BIN)/uv
WEB := studio_svc/web
PAGE := $(WEB)/dist/index.html
WEB_SOURCES := $(shell find $(WEB) \( -name node_modules -o -name dist \) -prune -o -type f -print)
ARGS ?=
COVERED := 97
ACTIONLINT := v1.7.12
HELM := v4.3.1
KUBERNETES_VALIDATE := 1.37.0
# tests and services start many processes: where the environment forbids bytecode, each would compile
# its libraries anew, for seconds
export PYTHONDONTWRITEBYTECODE :=

# Compose v2, or docker-compose 1.29 and later
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: run rl rl-demo images compose-test packages test coverage mutants check docs actionlint chart secrets fix web check-web \
	doctor lock sbom audit dist release clean

run: $(VENV)/.run $(PAGE)
	@exec $(BIN)/tradepulse up $(ARGS)

doctor: $(VENV)/.run
	@$(BIN)/tradepulse doctor $(ARGS)

# What trains policies: 5 GB of torch, most of it for graphics cards, which are not used.
rl: $(VENV)/.rl

# The models that `make run` shows, trained anew on the demo's candles: twenty minutes.
rl-demo: $(VENV)/.rl $(PAGE)
	deploy/rl_demo.sh $(BIN)

# The images of docker-compose.yml, for a replay, for live candles and for backups; not the trainer's, 5 GB.
images:
	DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 COMPOSE_PROFILES=stores,replay,live,backup \
		COMMIT=$(shell git rev-parse --short HEAD 2>/dev/null) $(COMPOSE) build $(ARGS)

# docker-compose.yml for real, on a container engine of its own: root, and the packages that it names
# where they are missing. COMPOSE_TEST_ENGINE=host takes the engine and the images of this host.
compose-test: $(VENV)/.dev
	$(BIN)/pytest -s tests/containers

# What the tests need of the system; as root.
packages:
	bash .ci/packages

# What computes is spread over the cores. What starts services runs two tests at a time, each with a
# broker and a database of its own, for it mostly waits; the browser's tests run alone.
test: $(VENV)/.dev $(PAGE)
ifeq ($(strip $(ARGS)),)
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile tests/unit tests/component
	$(BIN)/pytest $(if $(KAFKA_BOOTSTRAP_SERVERS),,-n 3 --dist loadfile --no-loadscope-reorder) tests/integration tests/operations
	$(BIN)/pytest tests/e2e
else
	$(BIN)/pytest $(ARGS)
endif

# What decides on money, by its own tests: the floor is just under what is reached.
coverage: $(VENV)/.dev
	$(BIN)/pytest -q --cov --cov-report=term-missing:skip-covered --cov-fail-under=$(COVERED) $(ARGS) \
		tests/unit/trading tests/unit/executor_svc $(addprefix tests/integration/test_,ledger_store.py kept_rules.py retention.py)

# Plants faults and tells which the tests do not notice: hours, so by hand or at night.
mutants: $(VENV)/.dev $(PAGE)
	$(BIN)/python -m tests.mutants $(ARGS)

check: $(VENV)/.dev check-web
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet --no-progress .github
	$(BIN)/pre-commit validate-config
	$(BIN)/mkdocs build --strict --quiet

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

# Needs Go.
actionlint:
	go run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT)

# Needs Go, with which helm is built the first time: minutes.
chart: $(VENV)/.uv
	GOBIN=$(CURDIR)/$(BIN) go install helm.sh/helm/v4/cmd/helm@$(HELM)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/uv run --quiet --no-project \
		--with kubernetes-validate==$(KUBERNETES_VALIDATE) deploy/helm/check.sh

# Every file, which takes half a minute; a commit's own are looked at by its hook.
secrets: $(VENV)/.dev
	$(BIN)/pre-commit run --all-files detect-secrets

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

web: $(PAGE)

check-web: $(PAGE)
	deploy/node.sh $(BIN) npm --prefix $(WEB) run typecheck
	deploy/node.sh $(BIN) npm --prefix $(WEB) test

$(PAGE): $(WEB_SOURCES) deploy/node.sh | $(VENV)/.uv
	@echo "Building the page"
	@deploy/node.sh $(BIN) npm --prefix $(WEB) ci --no-audit --no-fund --silent
	@deploy/node.sh $(BIN) npm --prefix $(WEB) run build --silent -- --logLevel warn
	@touch $(PAGE)

# New pins of everything, for every platform and Python from 3.11 on.
lock: $(VENV)/.uv
	$(UV) pip compile pyproject.toml --all-extras --universal --upgrade --python-version 3.11 \
		--no-emit-index-url --no-annotate --generate-hashes --quiet --custom-compile-command "make lock" \
		-o constraints.txt

# The components of each service as CycloneDX, and what is known against what is pinned.
sbom: $(VENV)/.uv
	deploy/sbom.sh $(BIN)

audit: $(VENV)/.uv
	@$(BIN)/python deploy/audit.py $(BIN)/uv

dist: $(VENV)/.dev $(PAGE)
	$(UV) build --wheel --out-dir dist

# A version is cut: `make release VERSION=0.2.0`. Nothing is pushed.
release: $(VENV)/.dev
	$(BIN)/python deploy/release.py $(VERSION)

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "TradePulse needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
		"Install one and say: make run PYTHON=python3.12" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { \
		echo "The virtual environment cannot be made: install Python's venv module" \
		"(on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	@touch $@

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/.uv
	@echo "Installing TradePulse"
	@$(UV) pip install --quiet -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.uv
	@echo "Installing TradePulse and what its tests and checks need"
	@$(UV) pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.run $(VENV)/.rl

$(VENV)/.rl: pyproject.toml constraints.txt | $(VENV)/.uv
	@echo "Installing TradePulse and what trains policies: 5 GB"
	@$(UV) pip install --quiet -c constraints.txt -e '.[all,rl-train]'
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) $(WEB)/dist $(WEB)/node_modules
