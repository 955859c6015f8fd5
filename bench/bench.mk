# The benchmark's own programs. They need a C compiler and OpenSSL's headers; `make -f bench/bench.mk SANITIZE=1` builds the
# sink with the sanitizers.
BENCH_CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -pthread
ifdef SANITIZE
BENCH_CFLAGS += -fsanitize=address,undefined -fno-omit-frame-pointer
BENCH_SINK := build/bench-sink-sanitized
else
BENCH_SINK := build/bench-sink
endif
# The engine's digests, as the addon has them.
BENCH_DIGESTS := $(addprefix build/obj/bridge/,$(addsuffix .o,cpu digest_openssl digest_xxh32 implementations md5_avx2 md5_avx512 \
  message run select sha256_avx2 sha256_avx512 sha256_shani))

.PHONY: bench-sink bench-programs
bench-sink: $(BENCH_SINK)
bench-programs: $(BENCH_SINK) build/bench-peer build/bench-measured

$(BENCH_SINK): $(wildcard bench/sink/*.c bench/sink/*.h) bench/bench.mk
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lm -lssl -lcrypto

build/bench-peer: bench/peer/main.c $(BENCH_DIGESTS) bench/bench.mk
	$(CC) $(BENCH_CFLAGS) -Iaddon/bridge -o $@ $(filter %.c %.o,$^) -lssl -lcrypto

build/bench-measured: bench/measured.c bench/bench.mk
	$(CC) $(BENCH_CFLAGS) -o $@ $<
