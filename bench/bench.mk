# The benchmark's sink. Needs a C compiler only; `make -f bench/bench.mk SANITIZE=1` builds it with the sanitizers.
BENCH_CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -pthread
ifdef SANITIZE
BENCH_CFLAGS += -fsanitize=address,undefined -fno-omit-frame-pointer
BENCH_SINK := build/bench-sink-sanitized
else
BENCH_SINK := build/bench-sink
endif

.PHONY: bench-sink
bench-sink: $(BENCH_SINK)

$(BENCH_SINK): $(wildcard bench/sink/*.c bench/sink/*.h) bench/bench.mk
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lm
