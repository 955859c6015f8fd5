/*
 * bench --read: how fast images come back. What is written is a ring of 8 MiB with the number of each 256 KiB block at its
 * front, which bench/sink can make up again without having kept it.
 */
#include "bench.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING ((size_t)8 << 20)
#define BLOCK ((size_t)256 << 10)
#define STAMP 8
/* NetBackup reads tar headers and files of browsed restores so. */
#define SHORTEST_READ 512u
#define LONGEST_READ ((size_t)128 << 10)

struct reader {
  const struct options *options;
  stsp_server_handle_t server;
  pthread_barrier_t *gate;
  uint32_t index;
  int code;
  uint64_t scattered; /* bytes asked for at random */
  pthread_t thread;
};

/* xorshift32, as in bench/sink/stamps.c. */
static void make_ring(uint8_t *ring) {
  uint32_t state = 0x9e3779b9;
  for (size_t at = 0; at < RING; at += sizeof(state)) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    memcpy(ring + at, &state, sizeof(state));
  }
}

static int write_whole(stsp_image_handle_t image, uint8_t *ring, uint64_t bytes) {
  int status = STS_EOK;
  for (uint64_t at = 0; status == STS_EOK && at < bytes; at += BLOCK) {
    uint64_t number = at / BLOCK, written;
    uint8_t *block = ring + at % RING;
    memcpy(block, &number, STAMP);
    status = sts.write_image(image, NULL, block, bytes - at < BLOCK ? bytes - at : BLOCK, at, &written);
  }
  return status;
}

static int read_whole(stsp_image_handle_t image, uint8_t *buffer, const struct options *options) {
  int status = STS_EOK;
  for (uint64_t at = 0, got; status == STS_EOK && at < options->generate; at += got) {
    uint64_t left = options->generate - at;
    status = sts.read_image(image, buffer, left < options->buffer ? left : options->buffer, at, &got);
    if (status == STS_EOK && got == 0) status = STS_EINTERNAL;
  }
  return status;
}

static int read_scattered(stsp_image_handle_t image, uint8_t *buffer, struct reader *reader) {
  uint32_t random = reader->index + 1;
  int status = STS_EOK;
  for (uint32_t i = 0; status == STS_EOK && i < reader->options->count; i++) {
    random = random * 1664525u + 1013904223u;
    uint64_t length = (uint64_t)SHORTEST_READ << ((random >> 8) % 9), got;
    uint64_t blocks = reader->options->generate / LONGEST_READ;
    status = sts.read_image(image, buffer, length, ((uint64_t)random * blocks >> 32) * LONGEST_READ, &got);
    reader->scattered += got;
  }
  return status;
}

/* Everybody waits here for everybody, failed or not. */
static void meet(struct reader *reader) {
  pthread_barrier_wait(reader->gate);
}

static void note(struct reader *reader, const char *function, int status) {
  if (status != STS_EOK && reader->code == EXIT_OK) reader->code = complain(function, status);
}

static void *read_stream(void *argument) {
  struct reader *reader = argument;
  char name[STS_MAX_IMAGENAME];
  snprintf(name, sizeof(name), "bench-read-%ld-%u", (long)getpid(), reader->index);
  sts_lsu_t lsu = make_lsu(reader->server, reader->options->lsu);
  sts_image_def_t def = make_def(reader->options, name);
  stsp_image_handle_t image = NULL;
  uint8_t *ring = malloc(RING);
  if (ring == NULL) exit(complain("malloc", STS_ENOMEM));
  make_ring(ring);
  int status = sts.create_image(&lsu, &def, 0, &image);
  note(reader, "stsp_create_image", status);
  if (status == STS_EOK) {
    note(reader, "stsp_write_image", write_whole(image, ring, reader->options->generate));
    note(reader, "stsp_close_image", sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  }
  status = reader->code == EXIT_OK ? sts.open_image(&lsu, &def, STS_O_READ, &image) : STS_EINTERNAL;
  note(reader, "stsp_open_image", status);
  meet(reader);
  if (status == STS_EOK) note(reader, "stsp_read_image", read_whole(image, ring, reader->options));
  meet(reader);
  if (status == STS_EOK) note(reader, "stsp_read_image", read_scattered(image, ring, reader));
  meet(reader);
  if (status == STS_EOK) note(reader, "stsp_close_image", sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  sts.delete_image(&lsu, &def, 0);
  free(ring);
  return NULL;
}

int bench_read(const struct options *options) {
  struct options with = *options;
  if (with.generate == 0) with.generate = (uint64_t)2 << 30;
  if (with.buffer > RING) usage(EXIT_USAGE);
  pthread_barrier_t gate;
  struct reader *readers = calloc(with.streams, sizeof(*readers));
  if (readers == NULL) return complain("calloc", STS_ENOMEM);
  pthread_barrier_init(&gate, NULL, with.streams + 1);
  stsp_server_handle_t server = open_session(&with);
  for (uint32_t i = 0; i < with.streams; i++) {
    readers[i] = (struct reader){.options = &with, .server = server, .gate = &gate, .index = i};
    if (pthread_create(&readers[i].thread, NULL, read_stream, &readers[i]) != 0)
      exit(complain("pthread_create", STS_ESYSCALL));
  }
  pthread_barrier_wait(&gate);
  /* Whoever measures the engine beside takes its figures here. */
  printf("written\n");
  fflush(stdout);
  double begin = seconds_now(), cpu = cpu_seconds();
  pthread_barrier_wait(&gate);
  double middle = seconds_now();
  bench_print("restore", with.generate * with.streams, middle - begin, cpu_seconds() - cpu);
  fflush(stdout);
  pthread_barrier_wait(&gate);
  double end = seconds_now();
  uint64_t scattered = 0;
  int code = EXIT_OK;
  for (uint32_t i = 0; i < with.streams; i++) {
    pthread_join(readers[i].thread, NULL);
    scattered += readers[i].scattered;
    if (readers[i].code != EXIT_OK) code = readers[i].code;
  }
  if (code == EXIT_OK)
    printf("scattered: %u reads of %" PRIu64 " bytes in %.3f s\n", with.count * with.streams, scattered, end - middle);
  free(readers);
  close_session(server);
  return code;
}
