# Needs Python 3.11+, make and git; everything else is made by `make setup` inside this folder.
PYTHON ?= python3
SEEDS ?= 1000
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-containers simulate chaos bench bench-peers secrets images test-compose lint clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Make the virtual environment and fetch what is needed; the other targets do it by themselves
	@$(PYTHON) scripts/set_up.py

demo: setup ## Run sixty days of a small marketplace; KEEP=1 leaves everything up, FAULTS=1 lets everything go wrong
	@$(BIN)/holdfast demo $(if $(KEEP),--keep) $(if $(FAULTS),--faults)

test: setup ## Run all tests against real PostgreSQL and real Kafka; ARGS="-k saga" for a part
	@$(BIN)/pytest $(ARGS)

test-containers: setup ## Run all tests on PostgreSQL and Kafka in containers (testcontainers); needs Docker
	@$(BIN)/pytest --servers=containers $(ARGS)

simulate: setup ## Run the seeded simulation of all services; SEEDS=1000
	@$(BIN)/pytest tests/simulation --seeds=$(SEEDS) $(ARGS)

chaos: setup ## Kill, pause and restart services and servers, at length
	@$(BIN)/pytest tests/chaos --chaos=long $(ARGS)

bench: ## Measure Holdfast, the limits of this machine, and the peers that were fetched; QUICK=1, LONG=1; ARGS="--only M1,M2"
	@$(PYTHON) scripts/set_up.py bench
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(LONG),--long) $(ARGS)

bench-peers: ## Fetch the peers of the benchmark; ARGS="dbos_transact" for one
	@$(PYTHON) scripts/set_up.py bench
	@$(BIN)/python scripts/set_up_peers.py $(ARGS)

secrets: setup ## Make the passwords and keys that the containers need; what is there is kept
	@$(BIN)/python -m holdfast.compose

images: ## Build the container images, one a service; then docker compose up --wait
	@docker compose build

test-compose: secrets ## Try rights, isolation and a replay on the containers; starts them if they are not up
	@$(BIN)/pytest tests/containers $(ARGS)

lint: setup ## Check style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy libs services

clean: ## Remove all that was made here: the virtual environment, fetched jars, servers' data, caches
	rm -rf .venv .holdfast .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
