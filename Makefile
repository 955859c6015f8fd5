# vast-ost. Every target installs and builds what it needs, given git, make, a C compiler, python3 and npm.
#   make          build everything              make demo   backups and restores, end to end
#   make test     all tests                     make bench  measure (minutes)
#   make test-real  the stores against other people's servers: Ceph, moto, NFS (docs/testing.md)
#   make soak     10,000 sequences of calls under faults, against a model (docs/testing.md)
#   make restarts  engines killed under running jobs (docs/testing.md)
#   make lint     formatter, linter, types      make clean  remove what was built
#   make install  into /opt/vast-ost, with the plugin; DESTDIR, PREFIX and PLUGIN_DIR say where else
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

# The Node release that package.json pins; the machine's own is used for nothing but npm.
NODE_DIR := $(CURDIR)/node_modules/node/bin
export PATH := $(NODE_DIR):$(CURDIR)/node_modules/.bin:$(PATH)

SOURCES := $(shell find src -name '*.ts')
# The console's page: files as a browser takes them.
PAGE := $(filter-out %.json,$(wildcard src/console/page/*))
JOBS ?= 2
PREFIX ?= /opt/vast-ost
PLUGIN_DIR ?= /usr/openv/lib/ost-plugins

.PHONY: all build test test-real addon-test plugin-safety soak soak-lanes soak-plugin soak-load restarts reliability dashboards lint demo bench install clean
all: build
build: build/.node_modules build/bridge.node build/.dist plugin plugin-host

build/.node_modules: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	mkdir -p build && touch $@

include addon/bridge/bridge.mk
include addon/plugin/plugin.mk
build/bridge.node: | build/.node_modules

build/.dist: build/.node_modules tsconfig.json $(SOURCES) $(PAGE)
	rm -rf dist
	tsc -p .
	mkdir -p dist/console/page
	cp $(PAGE) dist/console/page
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

# What the tests promise, from their sources, and how they ended when they ran last.
reliability: build/.node_modules
	node test/reliability/write-page.ts docs/reliability.md

# The dashboards, from the same definitions.
dashboards: | build/.node_modules
	node grafana/write.ts grafana/dashboards

# Handle churn and mixed reads for minutes; the tests have a short one.
soak-plugin: build plugin-programs
	node test/soak/plugin.ts

# 10,000 open images, 1,000 writers; the tests have a small one.
soak-load: build build/ost-client.node
	node test/soak/load.ts

# In batches, each by its seed; goes on where the last run stopped. SEED=n runs a batch again, SEQUENCES=n says how many in all.
soak: build/.node_modules build/bridge.node
	node test/soak/model.ts

# Handles in lanes that end at any moment, under random calls, against a model. SEED=n, SEQUENCES=n.
soak-lanes: build/.node_modules build/bridge.node
	node test/soak/lanes.ts

# Real engines that die at every kind of step and at random ones, under running jobs; many minutes. SEED=n, JOBS=n.
restarts: build plugin-programs
	node test/soak/restarts.ts

test: build build/.tap build/ost-client.node addon-test plugin-checked plugin-programs
	./test/run $(JOBS)

test-real: build build/.tap build/ost-client.node
	./test/real/run

lint: build/.node_modules
	biome ci .
	tsc -p . --noEmit
	tsc -p test --noEmit
	tsc -p src/console/page
	tsc -p examples/stages

demo: build
	./test/demo/run

bench: build
	./bench/run

install: build
	PREFIX='$(PREFIX)' PLUGIN_DIR='$(PLUGIN_DIR)' ./deploy/install '$(DESTDIR)'

clean:
	rm -rf build dist .tap
