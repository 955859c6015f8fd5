# The native addon: build/bridge.node. Included by the top-level Makefile, or on its own from the root of
# the repository: make -f addon/bridge/bridge.mk [bridge | bridge-test]
#
# SANITIZE=address,undefined (or thread) builds and runs the stand-alone tests with these checks; BRIDGE_RUN
# is put before each test, for example BRIDGE_RUN="valgrind --error-exitcode=1".

CC ?= cc
CFLAGS ?= -O2 -g
BRIDGE_COMMA := ,
BRIDGE_VARIANT := $(if $(SANITIZE),bridge-$(subst $(BRIDGE_COMMA),-,$(SANITIZE)),bridge)
BRIDGE_OBJ := build/obj/$(BRIDGE_VARIANT)
BRIDGE_CFLAGS := -std=c11 -D_GNU_SOURCE -DNAPI_VERSION=8 -fPIC -fvisibility=hidden -pthread \
  -Wall -Wextra -Werror $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)

# Node-API is stable across Node versions, so the headers of any of them serve.
NODE_INCLUDE ?= $(patsubst %/node_api.h,%,$(firstword $(wildcard \
  node_modules/node-api-headers/include/node_api.h \
  node_modules/node-linux-*/include/node/node_api.h \
  node_modules/node/node_modules/node-linux-*/include/node/node_api.h \
  $(dir $(realpath $(shell command -v node)))../include/node/node_api.h \
  /usr/local/include/node/node_api.h /usr/include/node/node_api.h)))

BRIDGE_MODULE := module module_slab module_prefault module_digest module_arena module_window module_socket module_tcp module_process environment
BRIDGE_CORE := $(filter-out $(BRIDGE_MODULE),$(basename $(notdir $(wildcard addon/bridge/*.c))))
BRIDGE_TESTS := $(basename $(notdir $(wildcard addon/bridge/test/*_test.c)))

.PHONY: bridge bridge-test bridge-headers ost-client
.SECONDARY:
bridge: build/bridge.node

# Resolved from the node executable when it is loaded: Node-API and the digests of OpenSSL. It is never
# unloaded, because its threads outlive the worker that loaded it.
build/bridge.node: $(BRIDGE_MODULE:%=build/obj/bridge/%.o) $(BRIDGE_CORE:%=build/obj/bridge/%.o)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -pthread -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now -o $@ $^

# The plugin's side of a hello, for the engine's tests in TypeScript.
ost-client: build/ost-client.node
build/ost-client.node: build/obj/bridge/test/ost_client.o
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^
build/obj/bridge/test/ost_client.o: BRIDGE_CFLAGS += -I$(NODE_INCLUDE)
build/obj/bridge/test/ost_client.o: | bridge-headers

bridge-test: $(BRIDGE_TESTS:%=build/$(BRIDGE_VARIANT)-%)
	@set -e; for test in $^; do echo $$test; $(BRIDGE_RUN) $$test; done

build/$(BRIDGE_VARIANT)-%: $(BRIDGE_OBJ)/test/%.o $(BRIDGE_CORE:%=$(BRIDGE_OBJ)/%.o)
	$(CC) $(CFLAGS) $(BRIDGE_CFLAGS) $(LDFLAGS) -o $@ $^ -lcrypto

$(BRIDGE_MODULE:%=build/obj/bridge/%.o): BRIDGE_CFLAGS += -I$(NODE_INCLUDE)
$(BRIDGE_MODULE:%=build/obj/bridge/%.o): | bridge-headers
bridge-headers:
	@test -n "$(NODE_INCLUDE)" || { echo "node_api.h not found: npm install, or set NODE_INCLUDE" >&2; exit 1; }

$(BRIDGE_OBJ)/%.o: addon/bridge/%.c addon/bridge/bridge.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BRIDGE_CFLAGS) -Iaddon/bridge -MMD -MP -c -o $@ $<

-include $(wildcard $(BRIDGE_OBJ)/*.d $(BRIDGE_OBJ)/test/*.d)
