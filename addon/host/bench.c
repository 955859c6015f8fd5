/*
 * bench: memory speed of writing through the plugin, and (--raw) of the plainest hand-over between two
 * processes through shared memory: one copy into 64 MiB slots, one semaphore each way.
 */
#include "bench.h"
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOT ((size_t)64 << 20)
#define SLOTS 8
/* Larger than any cache, so that the source is as cold as NetBackup's buffers are. */
#define SOURCE ((size_t)256 << 20)

static uint8_t *make_source(void) {
  uint8_t *source = malloc(SOURCE);
  if (source == NULL) return NULL;
  generate_fill(1, 0, source, SOURCE);
  return source;
}

void bench_print(const char *name, uint64_t bytes, double seconds, double cpu) {
  double gib = (double)bytes / (1 << 30);
  printf("%s: %.2f GiB in %.3f s, %.2f GiB/s, %.3f CPU-s/GiB\n", name, gib, seconds, gib / seconds, cpu / gib);
}

struct ring {
  sem_t filled, freed;
  uint64_t taken;
};

/* One pair of processes: a thread of this one writes, a child takes. */
struct pair {
  const uint8_t *source;
  uint64_t slots;
  size_t buffer;
  struct ring *ring;
  uint8_t *arena;
  pid_t child;
  pthread_t thread;
};

static void consume(struct ring *ring, uint64_t slots) {
  for (uint64_t i = 0; i < slots; i++) {
    while (sem_wait(&ring->filled) != 0) continue;
    ring->taken++;
    sem_post(&ring->freed);
  }
  _exit(0);
}

static int pair_begin(struct pair *pair) {
  struct ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  uint8_t *arena =
      mmap(NULL, SLOT * SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ring == MAP_FAILED || arena == MAP_FAILED) return complain("mmap", STS_ENOMEM);
  /* Steady state is what counts: the pages are there before the clock runs. */
  memset(arena, 1, SLOT * SLOTS);
  sem_init(&ring->filled, 1, 0);
  sem_init(&ring->freed, 1, SLOTS);
  pair->ring = ring;
  pair->arena = arena;
  pair->child = fork();
  if (pair->child < 0) return complain("fork", STS_ESYSCALL);
  if (pair->child == 0) consume(ring, pair->slots);
  return EXIT_OK;
}

static void *pair_write(void *argument) {
  struct pair *pair = argument;
  size_t buffer = pair->buffer;
  for (uint64_t i = 0; i < pair->slots; i++) {
    while (sem_wait(&pair->ring->freed) != 0) continue;
    uint8_t *slot = pair->arena + i % SLOTS * SLOT;
    for (size_t at = 0; at < SLOT; at += buffer)
      memcpy(slot + at, pair->source + (i * SLOT + at) % (SOURCE - buffer), SLOT - at < buffer ? SLOT - at : buffer);
    sem_post(&pair->ring->filled);
  }
  return NULL;
}

static bool pair_end(struct pair *pair) {
  int status = 0;
  bool good = waitpid(pair->child, &status, 0) == pair->child && status == 0 && pair->ring->taken == pair->slots;
  munmap(pair->arena, SLOT * SLOTS);
  munmap(pair->ring, sizeof(*pair->ring));
  return good;
}

static int raw(const struct options *options, const uint8_t *source) {
  uint64_t slots = options->generate / SLOT > 0 ? options->generate / SLOT : 1;
  struct pair *pairs = calloc(options->streams, sizeof(*pairs));
  if (pairs == NULL) return complain("calloc", STS_ENOMEM);
  int code = EXIT_OK;
  for (uint32_t i = 0; i < options->streams && code == EXIT_OK; i++) {
    pairs[i] = (struct pair){.source = source, .slots = slots, .buffer = options->buffer};
    code = pair_begin(&pairs[i]);
  }
  if (code != EXIT_OK) return code;
  double begin = seconds_now(), cpu = cpu_seconds();
  for (uint32_t i = 0; i < options->streams; i++) {
    if (pthread_create(&pairs[i].thread, NULL, pair_write, &pairs[i]) == 0) continue;
    pair_write(&pairs[i]);
    pairs[i].thread = 0;
  }
  for (uint32_t i = 0; i < options->streams; i++) {
    if (pairs[i].thread != 0) pthread_join(pairs[i].thread, NULL);
  }
  double seconds = seconds_now() - begin;
  for (uint32_t i = 0; i < options->streams; i++) {
    if (!pair_end(&pairs[i])) code = EXIT_FAILED;
  }
  bench_print("raw hand-over", slots * SLOT * options->streams, seconds, cpu_seconds() - cpu);
  free(pairs);
  return code;
}

/* What all writers wait for: the clock runs between the two. */
struct clock_gate {
  pthread_barrier_t begin, end;
};

struct writer {
  const struct options *options;
  stsp_server_handle_t server;
  const uint8_t *source;
  struct clock_gate *gate;
  uint32_t index;
  int code;
  pthread_t thread;
};

static int write_range(const struct writer *writer, stsp_image_handle_t image, uint64_t from, uint64_t to) {
  size_t buffer = writer->options->buffer;
  int status = STS_EOK;
  for (uint64_t at = from; status == STS_EOK && at < to; at += buffer) {
    uint64_t written, left = to - at;
    status = sts.write_image(image, NULL, writer->source + at % (SOURCE - buffer), left < buffer ? left : buffer, at,
                             &written);
  }
  return status;
}

/* Opening, the first use of each slot and the commit lie outside the measured time, as in the raw case. */
static int write_measured(const struct writer *writer, stsp_image_handle_t image) {
  uint64_t warm = SLOT * SLOTS;
  int status = write_range(writer, image, 0, warm);
  pthread_barrier_wait(&writer->gate->begin);
  if (status == STS_EOK) status = write_range(writer, image, warm, warm + writer->options->generate);
  if (status == STS_EOK) status = sts.flush(image);
  pthread_barrier_wait(&writer->gate->end);
  return status;
}

static void *write_stream(void *argument) {
  struct writer *writer = argument;
  const struct options *options = writer->options;
  char name[STS_MAX_IMAGENAME];
  snprintf(name, sizeof(name), "bench-%ld-%u", (long)getpid(), writer->index);
  sts_lsu_t lsu = make_lsu(writer->server, options->lsu);
  sts_image_def_t def = make_def(options, name);
  stsp_image_handle_t image;
  int status = sts.create_image(&lsu, &def, 0, &image);
  if (status != STS_EOK) {
    writer->code = complain("stsp_create_image", status);
    pthread_barrier_wait(&writer->gate->begin);
    pthread_barrier_wait(&writer->gate->end);
    return NULL;
  }
  status = write_measured(writer, image);
  if (status != STS_EOK) writer->code = complain("stsp_write_image", status);
  status = sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL);
  if (status != STS_EOK) writer->code = complain("stsp_close_image", status);
  status = sts.delete_image(&lsu, &def, 0);
  if (status != STS_EOK) writer->code = complain("stsp_delete_image", status);
  return NULL;
}

static int through_plugin(const struct options *options, const uint8_t *source) {
  struct clock_gate gate;
  struct writer *writers = calloc(options->streams, sizeof(*writers));
  if (writers == NULL) return complain("calloc", STS_ENOMEM);
  pthread_barrier_init(&gate.begin, NULL, options->streams + 1);
  pthread_barrier_init(&gate.end, NULL, options->streams + 1);
  stsp_server_handle_t server = open_session(options);
  for (uint32_t i = 0; i < options->streams; i++) {
    writers[i] =
        (struct writer){.options = options, .server = server, .source = source, .gate = &gate, .index = i};
    /* The others would wait for it. */
    if (pthread_create(&writers[i].thread, NULL, write_stream, &writers[i]) != 0)
      exit(complain("pthread_create", STS_ESYSCALL));
  }
  pthread_barrier_wait(&gate.begin);
  double begin = seconds_now(), cpu = cpu_seconds();
  pthread_barrier_wait(&gate.end);
  double seconds = seconds_now() - begin;
  cpu = cpu_seconds() - cpu;
  int code = EXIT_OK;
  for (uint32_t i = 0; i < options->streams; i++) {
    pthread_join(writers[i].thread, NULL);
    if (writers[i].code != EXIT_OK) code = writers[i].code;
  }
  if (code == EXIT_OK) bench_print("plugin", options->generate * options->streams, seconds, cpu);
  free(writers);
  close_session(server);
  return code;
}

int command_bench(const struct options *options) {
  struct options with = *options;
  if (with.read || with.images) {
    if (with.raw || with.lsu == NULL) usage(EXIT_USAGE);
    return with.read ? bench_read(&with) : bench_images(&with);
  }
  if (with.generate == 0) with.generate = (uint64_t)2 << 30;
  if (with.buffer > SOURCE / 2 || (!with.raw && with.lsu == NULL)) usage(EXIT_USAGE);
  uint8_t *source = make_source();
  if (source == NULL) return complain("malloc", STS_ENOMEM);
  int code = with.raw ? raw(&with, source) : through_plugin(&with, source);
  free(source);
  return code;
}
