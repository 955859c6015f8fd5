/*
 * bench: memory speed of writing through the plugin, and (--raw) of the plainest hand-over between two
 * processes through shared memory: one copy into 64 MiB slots, one semaphore each way.
 */
#include "host.h"
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

static void print_result(const char *name, uint64_t bytes, double seconds, double cpu) {
  double gib = (double)bytes / (1 << 30);
  printf("%s: %.2f GiB in %.3f s, %.2f GiB/s, %.3f CPU-s/GiB\n", name, gib, seconds, gib / seconds, cpu / gib);
}

struct ring {
  sem_t filled, freed;
  uint64_t taken;
};

static void consume(struct ring *ring, uint64_t slots) {
  for (uint64_t i = 0; i < slots; i++) {
    while (sem_wait(&ring->filled) != 0) continue;
    ring->taken++;
    sem_post(&ring->freed);
  }
  _exit(0);
}

static int raw(uint64_t bytes, size_t buffer, const uint8_t *source) {
  uint64_t slots = bytes / SLOT > 0 ? bytes / SLOT : 1;
  struct ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  uint8_t *arena =
      mmap(NULL, SLOT * SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ring == MAP_FAILED || arena == MAP_FAILED) return complain("mmap", STS_ENOMEM);
  /* Steady state is what counts: the pages are there before the clock runs. */
  memset(arena, 1, SLOT * SLOTS);
  sem_init(&ring->filled, 1, 0);
  sem_init(&ring->freed, 1, SLOTS);
  pid_t child = fork();
  if (child < 0) return complain("fork", STS_ESYSCALL);
  if (child == 0) consume(ring, slots);
  double begin = seconds_now(), cpu = cpu_seconds();
  for (uint64_t i = 0; i < slots; i++) {
    while (sem_wait(&ring->freed) != 0) continue;
    uint8_t *slot = arena + i % SLOTS * SLOT;
    for (size_t at = 0; at < SLOT; at += buffer)
      memcpy(slot + at, source + (i * SLOT + at) % (SOURCE - buffer), SLOT - at < buffer ? SLOT - at : buffer);
    sem_post(&ring->filled);
  }
  int status = 0;
  struct rusage used;
  wait4(child, &status, 0, &used);
  double seconds = seconds_now() - begin;
  print_result("raw hand-over", slots * SLOT, seconds, cpu_seconds() - cpu);
  bool good = ring->taken == slots && status == 0;
  munmap(arena, SLOT * SLOTS);
  munmap(ring, sizeof(*ring));
  return good ? EXIT_OK : EXIT_FAILED;
}

struct writer {
  const struct options *options;
  stsp_server_handle_t server;
  const uint8_t *source;
  uint32_t index;
  int code;
  pthread_t thread;
};

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
    return NULL;
  }
  for (uint64_t at = 0; status == STS_EOK && at < options->generate; at += options->buffer) {
    uint64_t written, left = options->generate - at;
    status = sts.write_image(image, NULL, writer->source + at % (SOURCE - options->buffer),
                             left < options->buffer ? left : options->buffer, at, &written);
  }
  if (status != STS_EOK) writer->code = complain("stsp_write_image", status);
  status = sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL);
  if (status != STS_EOK) writer->code = complain("stsp_close_image", status);
  status = sts.delete_image(&lsu, &def, 0);
  if (status != STS_EOK) writer->code = complain("stsp_delete_image", status);
  return NULL;
}

static int write_all(const struct options *options, const uint8_t *source) {
  struct writer *writers = calloc(options->streams, sizeof(*writers));
  if (writers == NULL) return complain("calloc", STS_ENOMEM);
  stsp_server_handle_t server = open_session(options);
  double begin = seconds_now(), cpu = cpu_seconds();
  int code = EXIT_OK;
  for (uint32_t i = 0; i < options->streams; i++) {
    writers[i] = (struct writer){.options = options, .server = server, .source = source, .index = i};
    if (pthread_create(&writers[i].thread, NULL, write_stream, &writers[i]) == 0) continue;
    write_stream(&writers[i]);
    writers[i].thread = 0;
  }
  for (uint32_t i = 0; i < options->streams; i++) {
    if (writers[i].thread != 0) pthread_join(writers[i].thread, NULL);
    if (writers[i].code != EXIT_OK) code = writers[i].code;
  }
  print_result("plugin", options->generate * options->streams, seconds_now() - begin, cpu_seconds() - cpu);
  free(writers);
  close_session(server);
  return code;
}

int command_bench(const struct options *options) {
  struct options with = *options;
  if (with.generate == 0) with.generate = (uint64_t)2 << 30;
  if (with.buffer > SOURCE / 2 || (!with.raw && with.lsu == NULL)) usage(EXIT_USAGE);
  uint8_t *source = make_source();
  if (source == NULL) return complain("malloc", STS_ENOMEM);
  int code = with.raw ? raw(with.generate * with.streams, with.buffer, source) : write_all(&with, source);
  free(source);
  return code;
}
