# What a developer does every day. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup demo test slow faults resilience charts prometheus-assets kube-assets cluster-assets images test-kube test-cluster kill fuzz check bench proto lock clean format audit sbom licences
.PHONY: check-format check-lint check-types check-imports check-proto check-breaking check-generated

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
# Touched when everything in the lock file is installed.
STAMP  := $(VENV)/.installed
FUZZER := $(VENV)/.fuzzer-installed
# What looks into dependencies has many of its own: it lives apart from what is tested.
AUDIT  := $(VENV)/audit
# More arguments for pytest: make test ARGS="tests/wire -k seal"
ARGS   ?=
# The commit that the wire must still speak to; the newest release if not given.
AGAINST ?=

PROTOS := $(shell find proto -name '*.proto' | sort)
# The charts are rendered by it: as named here, found on the PATH, or else built once with Go into a cache outside of this folder.
HELM ?=
HELM_VERSION := 3.19.0
# What a control plane, and a whole cluster, are started from: built once with Go, from published modules, into a cache outside of this folder.
KUBERNETES_VERSION := 1.37.2
KEPT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/meterbook
KUBEBUILDER_ASSETS ?= $(KEPT)/kubernetes-$(KUBERNETES_VERSION)
# The alerts are tried with promtool, the dashboards with a real Prometheus.
PROMETHEUS_VERSION := 3.14.0
PROMETHEUS_ASSETS ?= $(KEPT)/prometheus-$(PROMETHEUS_VERSION)
# What has a target of its own, for what it needs or for what it takes.
ELSEWHERE := not resilience and not charts and not kube and not cluster and not images
# $(call generate,FOLDER) writes the generated code below FOLDER. The plug-ins of protoc are found on the PATH.
generate = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --python_out=$(1) \
	--grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)

# Sets the shell's $$helm; what a recipe does with it follows.
define find_helm
helm='$(HELM)'; kept='$(KEPT)/helm-$(HELM_VERSION)'; \
if [ -z "$$helm" ]; then helm=$$(command -v helm || true); fi; \
if [ -z "$$helm" ] && [ ! -x "$$kept/helm" ]; then \
	if ! command -v go >/dev/null; then \
		echo "make $@ needs helm 3.16 or newer on the PATH, or named as in 'make $@ HELM=/opt/helm', or Go to build it." >&2; exit 1; \
	fi; \
	echo "Building helm $(HELM_VERSION) into $$kept, once: this takes some minutes"; \
	GOBIN="$$kept" GOFLAGS=-mod=mod go install helm.sh/helm/v3/cmd/helm@v$(HELM_VERSION) || exit 1; \
fi; \
helm="$${helm:-$$kept/helm}";
endef

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything that is needed (about a minute, once)
	@echo "Ready: 'make demo' shows what it does."

$(STAMP): requirements.lock pyproject.toml
	@python=; \
	for candidate in '$(PYTHON)' python3; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Meterbook needs Python 3.11 or newer: install it, or name it as in 'make setup PYTHON=/usr/bin/python3.12'." >&2; \
		exit 1; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) || exit 1; \
	fi
	@echo "Installing $$(grep -c '^[a-z0-9].*==' requirements.lock) locked packages into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "Installing Meterbook itself"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: $(STAMP) ## Run a ledger, an agent and a shop on this machine (DEMO_ONCE=1 ends by itself)
	@$(BIN)/python -m examples.demo

test: $(STAMP) ## Run the tests but for the slow ones; ARGS goes to pytest
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and $(ELSEWHERE)" $(ARGS)

slow: $(STAMP) ## Run the slow tests: the demo, processes that are killed, hostile clients, and every property on many examples
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "(slow or hypothesis) and $(ELSEWHERE)" --hypothesis-profile thorough $(ARGS)

faults: $(STAMP) ## Let disks fail and machines crash under the log; ARGS="--seeds 100 --from 7" chooses histories
	@$(BIN)/python -m tests.faults $(ARGS)

resilience: $(STAMP) ## Kill, cut off, fill up, set back and replace what runs, and hold the book to the truth; ARGS goes to pytest
	@RESILIENCE_SEED="$${RESILIENCE_SEED:-$$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}"; export RESILIENCE_SEED; \
	echo "RESILIENCE_SEED=$$RESILIENCE_SEED"; \
	$(BIN)/python -m pytest -n auto --dist worksteal -m resilience tests/resilience $(ARGS)

charts: $(STAMP) ## Lint and render the Helm charts and hold them to what they promise; WRITE=1 writes what is generated anew; ARGS goes to pytest
	@$(find_helm) \
	if [ -n '$(WRITE)' ]; then \
		$(BIN)/python -m helm.permissions >helm/agent/files/permissions.json && $(BIN)/python -m helm.schema && \
		$(BIN)/python -m helm.readme || exit 1; \
	fi; \
	HELM="$$helm" GOLDEN='$(if $(WRITE),write)' PATH="$$PATH:$(PROMETHEUS_ASSETS)" \
		$(BIN)/python -m pytest -n auto --dist worksteal tests/helm -m "charts or not charts" $(ARGS)

prometheus-assets: ## Build prometheus and promtool with Go, for the alerts and dashboards of make charts (two minutes, once)
	@mkdir -p '$(PROMETHEUS_ASSETS)' && cd tests/prometheus && tools=$$(go list tool) || exit 1; \
	for tool in $$tools; do \
		name='$(PROMETHEUS_ASSETS)'/$${tool##*/}; \
		if [ ! -x "$$name" ]; then \
			echo "Building $$name"; \
			CGO_ENABLED=0 go build -tags remove_all_sd -trimpath -ldflags '-s -w -X github.com/prometheus/common/version.Version=$(PROMETHEUS_VERSION)' \
				-o "$$name.new" "$$tool" && mv "$$name.new" "$$name" || exit 1; \
		fi; \
	done

# $(call build_kube,PROGRAMS) builds those of the tools in tests/kube that are not there yet.
define build_kube
kept='$(KUBEBUILDER_ASSETS)'; v=v$(KUBERNETES_VERSION); wanted=' $(1) '; \
if ! command -v go >/dev/null; then \
	echo "make $@ needs Go; or name a folder that has the programs: KUBEBUILDER_ASSETS=/opt/envtest" >&2; exit 1; \
fi; \
mkdir -p "$$kept" && cd tests/kube || exit 1; \
flags="-s -w -X k8s.io/component-base/version.gitVersion=$$v -X k8s.io/client-go/pkg/version.gitVersion=$$v"; \
for folder in . coredns; do \
	tools=$$(cd $$folder && go list tool) || exit 1; \
	for tool in $$tools; do \
		name=$${tool##*/}; case $$tool in go.etcd.io/*) name=etcd ;; esac; \
		case $$wanted in *" $$name "*) ;; *) continue ;; esac; \
		if [ ! -x "$$kept/$$name" ]; then \
			echo "Building $$name into $$kept"; \
			(cd $$folder && CGO_ENABLED=0 go build -trimpath -ldflags "$$flags" -o "$$kept/.$$name" "$$tool") && \
				mv "$$kept/.$$name" "$$kept/$$name" || exit 1; \
		fi; \
	done; \
done
endef

kube-assets: ## Build etcd, kube-apiserver and kubectl with Go, for make test-kube (five minutes, once)
	@$(call build_kube,etcd kube-apiserver kubectl)

cluster-assets: ## Build what else a cluster of one node is made of with Go, for make test-cluster (ten minutes, once)
	@$(call build_kube,etcd kube-apiserver kubectl kube-controller-manager kube-scheduler kube-proxy kubelet coredns); \
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$$kept/load" ./load

test-kube: $(STAMP) ## Install the charts on a real API server and read it with the agent's own token; KUBEBUILDER_ASSETS names its programs
	@$(find_helm) HELM="$$helm" KUBEBUILDER_ASSETS='$(KUBEBUILDER_ASSETS)' \
		$(BIN)/python -m pytest tests/kube -m kube $(ARGS)

images: $(STAMP) ## Build the images of agent and ledger as root file systems and archives into dist/images, each with its SBOM, on Debian 12 without a container engine
	@mkdir -p dist/images
	@for name in agent ledger; do \
		$(BIN)/python -m images.build $$name dist/images/$$name dist/images/meterbook-$$name.tar || exit 1; \
	done
	@$(BIN)/python -m pytest -n 2 tests/images -m "images or not images" $(ARGS)

# All of it lives in namespaces of its own, and ends with them.
test-cluster: $(STAMP) ## Install the charts on a cluster of one real node and compare the book with what pods counted; needs root, Linux and containerd
	@$(find_helm) HELM="$$helm" KUBEBUILDER_ASSETS='$(KUBEBUILDER_ASSETS)' METERBOOK_NODE=$$$$ \
		unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
		$(BIN)/python -m pytest tests/kube -m cluster $(ARGS)

# A release behind this one by default; before there is one, the commit that tests/data/upgrade was recorded with.
.PHONY: upgrade
upgrade: $(STAMP) ## Run an earlier build beside this one, upgrade and roll back under load, and count; FROM=REV chooses it
	@$(BIN)/python -m tests.upgrade $(if $(FROM),--from '$(FROM)') $(ARGS)

kill: $(STAMP) ## SIGKILL everything at random for ten minutes beside a client that counts; ARGS="--minutes 3 --store shared" chooses
	@$(BIN)/python -m tests.kill $(ARGS)

fuzz: $(FUZZER) ## Throw changed bytes at every decoder for a minute; ARGS="--target batch --seconds 600" chooses
	@$(BIN)/python -m bench.fuzz $(ARGS)

$(FUZZER): requirements-fuzz.lock $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	@touch $@

audit: $(AUDIT)/.installed ## Ask for known vulnerabilities of everything locked (needs the network); ARGS="--ignore-vuln ID" leaves one out
	@for lock in requirements.lock requirements-fuzz.lock requirements-audit.lock; do \
		echo "== $$lock"; \
		$(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r "$$lock" $(ARGS) || exit 1; \
	done

sbom: $(AUDIT)/.installed ## Write dist/meterbook.cdx.json, which names all that ships, with versions and hashes
	@mkdir -p dist && $(BIN)/python -m tests.tidy.licences shipped | $(AUDIT)/bin/python -W ignore -m cyclonedx_py requirements \
		--output-reproducible --pyproject pyproject.toml --of JSON -o dist/meterbook.cdx.json - && echo "dist/meterbook.cdx.json"

licences: $(STAMP) ## Write LICENSES.md and the locks of the images from what is installed
	@$(BIN)/python -m tests.tidy.licences
	@$(BIN)/python -m images.locks

$(AUDIT)/.installed: requirements-audit.lock | $(STAMP)
	@$(BIN)/python -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.lock
	@touch $@

check: check-format check-lint check-types check-imports check-proto check-breaking check-generated ## Check style, types, layers and the wire

check-format: $(STAMP)
	@$(BIN)/ruff format --check --quiet . || { echo "These files are not formatted: run 'make format'." >&2; $(BIN)/ruff format --check .; }

check-lint: $(STAMP)
	@$(BIN)/ruff check .

check-types: $(STAMP)
	@$(BIN)/mypy

check-imports: $(STAMP)
	@$(BIN)/lint-imports --no-logo

check-proto: $(STAMP)
	@$(BIN)/buf lint && echo "buf lint: the wire keeps its style"

# Breaking a release is an error. Before the first one nobody speaks the older wire: what breaks is only told.
check-breaking: $(STAMP)
	@against='$(AGAINST)'; \
	if [ -z "$$against" ]; then against=$$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null); fi; \
	commit=$${against:-HEAD}; \
	if ! git rev-parse --quiet --verify "$$commit^{commit}" >/dev/null 2>&1; then \
		if [ -n "$$against" ]; then echo "buf breaking: there is no commit $$against here" >&2; exit 1; fi; \
		echo "buf breaking: skipped, there is no git history here with an earlier wire to compare with"; exit 0; \
	fi; \
	if ! git ls-tree -r --name-only "$$commit" -- proto | grep -q '\.proto$$'; then \
		echo "buf breaking: skipped, $$commit has no .proto file to compare with"; exit 0; \
	fi; \
	earlier=$$(mktemp -d) && trap 'rm -rf "$$earlier"' EXIT && \
	git archive --output="$$earlier/wire.tar" "$$commit" proto buf.yaml && \
	tar -xf "$$earlier/wire.tar" -C "$$earlier" || exit 1; \
	if $(BIN)/buf breaking --against "$$earlier" >"$$earlier/breaks"; then \
		echo "buf breaking: the wire still speaks to $$commit"; \
	elif [ -z "$$against" ]; then \
		cut -c 1-160 "$$earlier/breaks" | head -n 5; \
		echo "buf breaking: $$(grep -c . "$$earlier/breaks") breaks since the last commit, allowed until the first release"; \
	else \
		cat "$$earlier/breaks" >&2; exit 1; \
	fi

check-generated: $(STAMP)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(call generate,"$$fresh") || exit 1; \
	stale=$$({ (cd "$$fresh" && find . -type f); (cd proto && find . -name '*_pb2*.py*' ! -path '*/__pycache__/*'); } | \
		sort -u | while read -r file; do cmp -s "$$fresh/$$file" "proto/$$file" || echo "  proto/$${file#./}"; done); \
	if [ -n "$$stale" ]; then \
		echo "Generated code differs from the .proto files: run 'make proto'." >&2; echo "$$stale" >&2; exit 1; \
	fi; \
	echo "generated code: up to date"

bench: $(STAMP) ## Measure every figure, one bench after another
	@failed=; \
	for file in bench/*.py; do \
		name=$${file#bench/}; name=$${name%.py}; \
		case $$name in '*'|_*|soak|fuzz) continue ;; esac; \
		echo "== bench.$$name"; \
		$(BIN)/python -m "bench.$$name" || failed="$$failed $$name"; \
	done; \
	if [ -n "$$failed" ]; then echo "These benches failed:$$failed" >&2; exit 1; fi

proto: $(STAMP) ## Generate the code of the wire from proto/
	@$(call generate,proto)

lock: $(STAMP) ## Choose the newest versions that pyproject.toml allows (needs the network)
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --extra agent --extra kubernetes --extra ledger --extra distributed --extra aws --extra pdf --extra spark --extra tracing --group dev pyproject.toml \
		-o requirements.lock >/dev/null
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --group pyproject.toml:fuzz -o requirements-fuzz.lock >/dev/null
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --group pyproject.toml:audit -o requirements-audit.lock >/dev/null
	@echo "Now: make setup licences check test"

clean: ## Remove caches, builds and what the demo left; .venv stays
	@rm -rf .demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist ./*.egg-info
	@find . -path './$(VENV)' -prune -o -name __pycache__ -type d -exec rm -rf {} +

format: $(STAMP) ## Format the code and repair what ruff can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
