# vast-ost. Every target installs and builds what it needs, given git, make, a C compiler, python3 and npm.
#   make          build everything              make demo   backups and restores, end to end
#   make test     all tests                     make bench  measure (minutes)
#   make test-real  the stores against other people's servers: Ceph, moto, NFS (docs/testing.md)
#   make soak     10,000 sequences of calls under faults, against a model (docs/testing.md)
#   make lint     formatter, linter, types      make clean  remove what was built
#   make install  into /opt/vast-ost, with the plugin; DESTDIR, PREFIX and PLUGIN_DIR say where else
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

# The Node release that package.json pins; the machine's own is used for nothing but npm.
NODE_DIR := $(CURDIR)/node_modules/node/bin
export PATH := $(NODE_DIR):$(CURDIR)/node_modules/.bin:$(PATH)

SOURCES := $(shell find src -name '*.ts')
JOBS ?= 2
PREFIX ?= /opt/vast-ost
PLUGIN_DIR ?= /usr/openv/lib/ost-plugins

.PHONY: all build test test-real addon-test plugin-safety soak soak-plugin lint dashboards demo bench install clean
all: build
build: build/.node_modules build/bridge.node build/.dist plugin plugin-host

build/.node_modules: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	mkdir -p build && touch $@

include addon/bridge/bridge.mk
include addon/plugin/plugin.mk
build/bridge.node: | build/.node_modules

build/.dist: build/.node_modules tsconfig.json $(SOURCES)
	rm -rf dist
	tsc -p .
	touch $@

# Tests run our TypeScript as it is: Node strips the types, so tap's own compiler stays out.
build/.tap: build/.node_modules .taprc
	tap build >/dev/null
	touch $@

# The digest tests compare with OpenSSL's library, which not every machine has headers for.
addon-test: build
	if echo 'int main(void) { return 0; }' | $(CC) -x c - -lcrypto -o /dev/null 2>/dev/null; then \
	  $(MAKE) --no-print-directory bridge-test SANITIZE=address,undefined; \
	else \
	  echo "digest tests in C left out: libcrypto cannot be linked (Debian: libssl-dev)"; \
	fi
	$(MAKE) --no-print-directory plugin-test SANITIZE=address,undefined

# Conformance of the plugin with the real engine under valgrind and the sanitizers.
plugin-safety: build plugin-checked
	test/run 1 test/ost/plugin-safety.test.ts

# The tables of the metrics, from their definitions.
docs/metrics.md: src/metrics/definitions.ts test/metrics/reference.ts | build/.node_modules
	node test/metrics/write-reference.ts $@

# The dashboards, from the same definitions.
dashboards: | build/.node_modules
	node grafana/write.ts grafana/dashboards

# Handle churn and mixed reads for minutes; the tests have a short one.
soak-plugin: build plugin-programs
	node test/soak/plugin.ts

# Another seed every time; SEED=n runs one again, SEQUENCES=n says how many.
soak: build/.node_modules build/bridge.node
	node test/soak/model.ts

test: build build/.tap build/ost-client.node addon-test plugin-checked plugin-programs
	./test/run $(JOBS)

test-real: build build/.tap build/ost-client.node
	./test/real/run

lint: build/.node_modules
	biome ci .
	tsc -p . --noEmit
	tsc -p test --noEmit

demo: build
	./test/demo/run

bench: build
	./bench/run

install: build
	PREFIX='$(PREFIX)' PLUGIN_DIR='$(PLUGIN_DIR)' ./deploy/install '$(DESTDIR)'

clean:
	rm -rf build dist .tap
