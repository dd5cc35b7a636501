# Every target makes its own environment in .venv first. Beside each stands the plain command it comes to, for a shell where
# the environment is active. Choose the Python with PYTHON=python3.12, the number of test processes with JOBS=4.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

unexport PYTHONDONTWRITEBYTECODE  # the command is started hundreds of times: it need not be compiled each time

.PHONY: help demo test servers check bench soak bank shop prove fuzz clean

help:           # what there is
	@grep -E '^[a-z]+:.*# ' Makefile | sed 's/:[^#]*#/:/'

$(STAMP): pyproject.toml        # python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
	  f"Syncline needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]}. Choose another: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)  # syncline demo --seconds 20
	$(BIN)/syncline demo --seconds 20

servers:        # apt-get install postgresql mariadb-server sysbench, where their programs are missing; MySQL 8 is fetched if it can be had
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; \
	  else echo "PostgreSQL is not installed: the tests use the versions that Python's package index brings" >&2; fi; }
	@command -v mariadbd >/dev/null || ls /usr/sbin/mariadbd >/dev/null 2>&1 || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
	    echo "The tests need MariaDB's server programs. On Debian and Ubuntu: apt-get install mariadb-server" >&2; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server; }
	@$(PYTHON) -m tests.servers.fetch_mysql >/dev/null || true
	@command -v sysbench >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
	    echo "The tests need sysbench. On Debian and Ubuntu: apt-get install sysbench" >&2; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends sysbench; }

test: $(STAMP) servers  # ruff check . && ruff format --check . && mypy && pytest -n 2 --dist worksteal
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: $(STAMP) # ruff check . && ruff format --check . && mypy && lint-imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

BENCHES := ingest_resolve log_append sqlite_capture end_to_end latency servers compare_tables

bench: $(STAMP) # python -m benchmarks.NAME, for each
	@set -e; for name in $(BENCHES); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name; done

soak: $(STAMP)  # syncline demo --seconds 3600 --json
	$(BIN)/syncline demo --seconds 3600 --json

bank: $(STAMP) servers  # SYNCLINE_TEST_PGBENCH_SECONDS=600 pytest --timeout 0 tests/stories/test_postgres_pgbench.py
	SYNCLINE_TEST_PGBENCH_SECONDS=600 $(BIN)/python -m pytest --timeout 0 tests/stories/test_postgres_pgbench.py

shop: $(STAMP) servers  # SYNCLINE_TEST_SYSBENCH_SECONDS=600 pytest --timeout 0 tests/stories/test_mariadb_sysbench.py
	SYNCLINE_TEST_SYSBENCH_SECONDS=600 $(BIN)/python -m pytest --timeout 0 tests/stories/test_mariadb_sysbench.py

prove: $(STAMP) servers  # SYNCLINE_TEST_PROOF_SECONDS=3600 SYNCLINE_TEST_PROOF_ROWS=1000000 pytest --timeout 0 tests/stories/test_proof.py
	SYNCLINE_TEST_PROOF_SECONDS=3600 SYNCLINE_TEST_PROOF_ROWS=1000000 $(BIN)/python -m pytest --timeout 0 tests/stories/test_proof.py

fuzz: $(STAMP)  # python -m syncline.sim run --seeds 100000
	$(BIN)/python -m syncline.sim run --seeds 100000

clean:          # rm -rf .venv and the caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
