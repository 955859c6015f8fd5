# The plugin, ost-host and their tests. From the repository root:
#   make -f addon/plugin/plugin.mk all test
# STS_SDK=dir   take stspi.h from dir instead of addon/include (docs/ost-abi.md)
# SANITIZE=…    build everything under build/$(SANITIZE)/ with -fsanitize=$(SANITIZE)
PLUGIN_CC ?= gcc
PLUGIN_CFLAGS ?= -O2 -g
STS_SDK ?= addon/include
VOST_VERSION := $(shell sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' package.json)

plugin_comma := ,
PLUGIN_OUT := build$(if $(SANITIZE),/$(subst $(plugin_comma),-,$(SANITIZE)))
PLUGIN_OBJ := $(PLUGIN_OUT)/obj/ost
PLUGIN_FLAGS := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow -Wvla -fPIC -fvisibility=hidden -pthread \
  -I$(STS_SDK) -DVOST_VERSION='"$(VOST_VERSION)"' $(PLUGIN_CFLAGS) \
  $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer)

WIRE_SOURCES := $(wildcard addon/wire/*.c)
PLUGIN_SOURCES := $(wildcard addon/plugin/*.c)
HOST_SOURCES := $(wildcard addon/host/*.c)
TEST_SOURCES := $(wildcard addon/test/*.c)
plugin_objects = $(patsubst addon/%.c,$(PLUGIN_OBJ)/%.o,$(1))

PLUGIN_OBJECTS := $(call plugin_objects,$(WIRE_SOURCES) $(PLUGIN_SOURCES))
# Unit tests link the plugin's parts, without the entry of the library file.
UNIT_OBJECTS := $(filter-out %/entry.o,$(PLUGIN_OBJECTS))
LIBRARIES := $(PLUGIN_OUT)/libstspiVastData.so $(PLUGIN_OUT)/libstspiVastDataMT.so
UNIT_TESTS := $(patsubst addon/test/%.c,$(PLUGIN_OUT)/ost-test/%,$(wildcard addon/test/*-test.c))

.SECONDARY: $(call plugin_objects,$(TEST_SOURCES))
.PHONY: plugin plugin-host plugin-checked plugin-programs plugin-fuzz plugin-test plugin-clean
plugin: $(LIBRARIES)
plugin-host: $(PLUGIN_OUT)/ost-host

ifeq ($(firstword $(MAKEFILE_LIST)),addon/plugin/plugin.mk)
.PHONY: all test clean
.DEFAULT_GOAL := all
all: plugin plugin-host
test: plugin-test
clean: plugin-clean
endif

$(PLUGIN_OBJ)/%.o: addon/%.c addon/plugin/plugin.mk package.json
	@mkdir -p $(@D)
	$(PLUGIN_CC) $(PLUGIN_FLAGS) -MMD -MP -c $< -o $@

-include $(patsubst %.o,%.d,$(PLUGIN_OBJECTS) $(call plugin_objects,$(HOST_SOURCES) $(TEST_SOURCES)))

$(LIBRARIES): $(PLUGIN_OBJECTS) addon/plugin/exports.map
	$(PLUGIN_CC) $(PLUGIN_FLAGS) -shared -Wl,-soname,$(@F) -Wl,-e,vost_entry -Wl,--version-script=addon/plugin/exports.map \
	  -Wl,-z,relro,-z,now $(if $(SANITIZE),,-Wl,-z,defs) $(PLUGIN_OBJECTS) -o $@

$(PLUGIN_OUT)/ost-host: $(call plugin_objects,$(HOST_SOURCES))
	$(PLUGIN_CC) $(PLUGIN_FLAGS) $^ -ldl -o $@

$(PLUGIN_OUT)/ost-test/%: $(PLUGIN_OBJ)/test/%.o $(PLUGIN_OBJ)/test/wire-samples.o $(UNIT_OBJECTS)
	@mkdir -p $(@D)
	$(PLUGIN_CC) $(PLUGIN_FLAGS) $^ -o $@

# Programs that the tests of the engine run with the library.
HOST_PARTS := $(call plugin_objects,$(filter-out %/main.c,$(HOST_SOURCES)))
TEST_PROGRAMS := $(PLUGIN_OUT)/ost-test/outage $(PLUGIN_OUT)/ost-test/churn
plugin-programs: $(TEST_PROGRAMS)
$(TEST_PROGRAMS): $(PLUGIN_OUT)/ost-test/%: $(PLUGIN_OBJ)/test/%.o $(HOST_PARTS)
	@mkdir -p $(@D)
	$(PLUGIN_CC) $(PLUGIN_FLAGS) $^ -ldl -o $@

# libFuzzer, for PLUGIN_FUZZ_SECONDS each; what it finds worth keeping lies in build/fuzz.
PLUGIN_FUZZ_SECONDS ?= 600
FUZZ_SOURCES := $(WIRE_SOURCES) $(filter-out %/entry.c,$(PLUGIN_SOURCES))
plugin-fuzz: $(addprefix plugin-fuzz-,wire session)
plugin-fuzz-%:
	@mkdir -p build/fuzz/$*
	clang $(filter-out -Werror,$(PLUGIN_FLAGS)) -O1 -DVOST_LIBFUZZER -fsanitize=fuzzer,address,undefined \
	  -fno-sanitize-recover=undefined $(FUZZ_SOURCES) addon/test/$*-fuzz.c -o build/fuzz/$*-fuzz
	build/fuzz/$*-fuzz -max_total_time=$(PLUGIN_FUZZ_SECONDS) -max_len=$(if $(filter session,$*),300,8192) -len_control=0 \
	  -print_final_stats=1 build/fuzz/$* addon/test/corpus/$*

plugin-test: $(UNIT_TESTS) $(PLUGIN_OUT)/ost-test/wire-vectors $(PLUGIN_OUT)/ost-test/wire-fuzz $(PLUGIN_OUT)/ost-test/session-fuzz \
  plugin plugin-host
	addon/test/run.sh $(PLUGIN_OUT)

# Libraries and ost-host with the sanitizers that test/ost/plugin-safety.test.ts runs.
plugin-checked:
	$(MAKE) --no-print-directory -f addon/plugin/plugin.mk plugin plugin-host SANITIZE=address,undefined
	$(MAKE) --no-print-directory -f addon/plugin/plugin.mk plugin plugin-host SANITIZE=thread

plugin-clean:
	rm -rf $(PLUGIN_OBJ) $(PLUGIN_OUT)/ost-test $(LIBRARIES) $(PLUGIN_OUT)/ost-host
