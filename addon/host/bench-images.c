/* bench --images: how many small images, such as NetBackup's headers and fragments of catalogues, are made in a second. */
#include "bench.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct maker {
  const struct options *options;
  stsp_server_handle_t server;
  pthread_barrier_t *gate;
  uint32_t index;
  int code;
  pthread_t thread;
};

static sts_image_def_t def_of(const struct maker *maker, uint32_t number) {
  char name[STS_MAX_IMAGENAME];
  snprintf(name, sizeof(name), "bench-small-%ld-%u-%u_HDR", (long)getpid(), maker->index, number);
  return make_def(maker->options, name);
}

static int make_one(const struct maker *maker, const sts_lsu_t *lsu, uint32_t number, const uint8_t *bytes) {
  sts_image_def_t def = def_of(maker, number);
  stsp_image_handle_t image;
  uint64_t written;
  int status = sts.create_image(lsu, &def, 0, &image);
  if (status != STS_EOK) return status;
  status = sts.write_image(image, NULL, bytes, maker->options->generate, 0, &written);
  int closed = sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL);
  return status == STS_EOK ? closed : status;
}

static void *make_images(void *argument) {
  struct maker *maker = argument;
  const struct options *options = maker->options;
  uint8_t *bytes = malloc(options->generate);
  if (bytes == NULL) exit(complain("malloc", STS_ENOMEM));
  generate_fill(options->seed + maker->index, 0, bytes, options->generate);
  sts_lsu_t lsu = make_lsu(maker->server, options->lsu);
  int status = STS_EOK;
  pthread_barrier_wait(maker->gate);
  for (uint32_t i = 0; status == STS_EOK && i < options->count; i++) status = make_one(maker, &lsu, i, bytes);
  pthread_barrier_wait(maker->gate);
  if (status != STS_EOK) maker->code = complain("a small image", status);
  for (uint32_t i = 0; status == STS_EOK && i < options->count; i++) {
    sts_image_def_t def = def_of(maker, i);
    status = sts.delete_image(&lsu, &def, 0);
  }
  free(bytes);
  return NULL;
}

int bench_images(const struct options *options) {
  struct options with = *options;
  if (with.generate == 0) with.generate = 4096;
  if (with.generate > (1u << 20) || with.generate % STS_BLOCK_SIZE != 0) usage(EXIT_USAGE);
  pthread_barrier_t gate;
  struct maker *makers = calloc(with.streams, sizeof(*makers));
  if (makers == NULL) return complain("calloc", STS_ENOMEM);
  pthread_barrier_init(&gate, NULL, with.streams + 1);
  stsp_server_handle_t server = open_session(&with);
  for (uint32_t i = 0; i < with.streams; i++) {
    makers[i] = (struct maker){.options = &with, .server = server, .gate = &gate, .index = i};
    if (pthread_create(&makers[i].thread, NULL, make_images, &makers[i]) != 0)
      exit(complain("pthread_create", STS_ESYSCALL));
  }
  pthread_barrier_wait(&gate);
  double begin = seconds_now();
  pthread_barrier_wait(&gate);
  double seconds = seconds_now() - begin;
  int code = EXIT_OK;
  for (uint32_t i = 0; i < with.streams; i++) {
    pthread_join(makers[i].thread, NULL);
    if (makers[i].code != EXIT_OK) code = makers[i].code;
  }
  uint32_t count = with.count * with.streams;
  if (code == EXIT_OK) printf("images: %u in %.3f s, %.1f images/s\n", count, seconds, count / seconds);
  free(makers);
  close_session(server);
  return code;
}
