# Every target makes the environment that it needs: nothing but Python 3.11 or later and make is there before.
.DEFAULT_GOAL := help
.PHONY: help demo test ready check bench soak kafka warm audit requirements clean

VENV := .venv
PYTHON := $(VENV)/bin/python
SAY := @printf '\033[1m==> %s\033[0m\n'
TESTS ?=
MINUTES ?= 30
# Images of Python set it: each process, of tests and of what they start, would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this list
	@echo "recompra: scores each customer's likelihood of buying again, live, from Kafka topics"
	@echo
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-13s %s\n' "$$name" "$$what"; done
	@echo
	@echo "Each sets up what it needs in $(VENV). Choose a Python with: make PYTHON_FOR_VENV=/path/to/python3.12 …"

demo: $(VENV)/.demo warm ## Watch a real shop's orders being scored (two and a half minutes)
	$(SAY) "the demo: a broker in memory, the topics, a worker, a trainer and a year of real orders"
	@$(VENV)/bin/recompra demo

test: ready ## Run all tests, those on Apache Kafka too where Java and Maven are
	$(SAY) "tests (a part: make test TESTS=tests/unit)"
	@$(PYTHON) -m pytest $(TESTS)

ready: $(VENV)/.dev
	@$(PYTHON) -m streams.brokers fetch
	$(SAY) "the kernel: compiled once for the rows of the tests, in a minute; afterwards taken from the cache"
	@$(PYTHON) -m tests.warm

check: $(VENV)/.dev ## Check formatting, lint and types
	$(SAY) "ruff: formatting and lint"
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	$(SAY) "mypy --strict: streams scoring schemas"
	@$(VENV)/bin/mypy --strict streams scoring schemas

bench: $(VENV)/.bench warm ## Measure speed and quality on this machine (tables, benchmarks/out)
	@$(PYTHON) -m streams.brokers fetch
	$(SAY) "throughput beside a naive worker and the ceiling, on the local Apache Kafka"
	@$(PYTHON) -m benchmarks.throughput
	$(SAY) "replays of a year beside a worker that reads it, on the local Apache Kafka"
	@$(PYTHON) -m benchmarks.replay_year
	$(SAY) "ticks: what time alone costs, at a million customers"
	@$(PYTHON) -m benchmarks.ticks
	$(SAY) "quality of the scores on real shops"
	@$(PYTHON) -m benchmarks.quality
	$(SAY) "predicted value beside BG/NBD and the past"
	@$(PYTHON) -m benchmarks.value

soak: $(VENV)/.bench warm ## Break what can be broken for half an hour, and check everything after each time
	@$(PYTHON) -m streams.brokers fetch
	$(SAY) "the learner: five million examples"
	@$(PYTHON) -m benchmarks.soak
	$(SAY) "the commit protocol, simulated: ten thousand schedules"
	@$(PYTHON) -m benchmarks.soak_simulation
	$(SAY) "hostile input: mistakes planted on purpose, then ten minutes of records bred for coverage"
	@$(PYTHON) -m benchmarks.soak_fuzz --prove
	@$(PYTHON) -m benchmarks.soak_fuzz
	$(SAY) "faults on the local Apache Kafka: $(MINUTES) minutes (another time: make soak MINUTES=10)"
	@$(PYTHON) -m benchmarks.soak_faults --minutes $(MINUTES)

kafka: $(VENV)/.demo ## Run the local Apache Kafka until Ctrl-C (needs Java 17 and Maven)
	@$(PYTHON) -m streams.brokers kafka $(if $(PORT),--port $(PORT)) $(if $(DATA),--data-dir $(DATA))

audit: .venv-audit/.audit ## List the pinned packages (CycloneDX, out/) and look for known vulnerabilities in them
	@mkdir -p out
	$(SAY) "the bill of materials: out/recompra.cdx.json"
	@.venv-audit/bin/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml \
		--output-reproducible --output-file out/recompra.cdx.json 2>/dev/null
	@$(FIND_PYTHON); "$$python" -c 'import json; print(len(json.load(open("out/recompra.cdx.json"))["components"]), "packages")'
	$(SAY) "known vulnerabilities (asks a public service; what it cannot tell counts as a failure)"
	@for each in runtime demo build; do \
		.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements/$$each.txt || { \
			echo "requirements/$$each.txt is not clear: either what is listed above is vulnerable, or the service" \
				"that knows was not reached, which pip-audit calls a package not found." >&2; exit 1; }; done

.venv-audit/.audit: requirements/audit.txt
	@$(FIND_PYTHON); "$$python" -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --require-hashes --requirement requirements/audit.txt
	@touch $@

requirements: ## Pin the newest packages that fit together
	@test -x .venv-requirements/bin/uv || { $(FIND_PYTHON); "$$python" -m venv .venv-requirements; \
		.venv-requirements/bin/python -m pip install --quiet uv; }
	@requirements/update .venv-requirements/bin/uv

clean: ## Remove the environments and caches
	rm -rf $(VENV) .venv-requirements .venv-audit .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist benchmarks/out
	find schemas scoring streams tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

warm: | $(VENV)/.made
	$(SAY) "the kernel: compiled once, in half a minute; afterwards taken from the cache"
	@$(PYTHON) -m streams.warm

# A list of packages in the environment: made again only when what it is made from has changed.
$(VENV)/.%: requirements/%.txt requirements/build.txt pyproject.toml | $(VENV)/.made
	$(SAY) "installing the packages of requirements/$*.txt into $(VENV) (some minutes the first time)"
	@$(PYTHON) -m pip install --require-hashes --no-compile --requirement requirements/build.txt
	@$(PYTHON) -m pip install --require-hashes --no-compile --requirement requirements/$*.txt
	@$(PYTHON) -m compileall -q -j 0 -x 'site-packages/.*/tests?/' $(VENV)/lib >/dev/null || true # on all cores, where pip takes one; some are no code
	@$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.made:
	@$(FIND_PYTHON); \
		printf '\033[1m==> %s\033[0m\n' "making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv $(VENV)
	@touch $@

FIND_PYTHON = python=$$(requirements/find-python $(PYTHON_FOR_VENV)) || exit 1
