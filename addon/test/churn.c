/*
 * Handles by the thousand, or reads of old images while new ones are written: churn LIBRARY LSU handles|mixed COUNT STREAMS.
 * Says a line "at DONE RSS-KiB FDS MAPS" ten times on the way, and waits for a line after each, so that whoever drives it
 * can look at the engine meanwhile. test/soak/ drives it.
 */
#include "../host/host.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARKS 10
#define SMALL 65536u
#define MIB (UINT64_C(1) << 20)
/* The old image of mixed reads, and the new ones. */
#define OLD_BYTES (24 * MIB)
#define LONGEST_READ 131072u

static const char *lsu_name;
static sts_cred_t no_cred = {.cr_type = STS_CRED_NONE};
static struct options options = {.date = "1700000000", .policy = "churn"};

struct stream {
  pthread_t thread;
  stsp_server_handle_t server;
  unsigned index, rounds;
  uint64_t done; /* rounds of all marks so far */
  uint32_t random;
  int failed_line, status;
};

#define TRY(call)                                                                                              \
  do {                                                                                                         \
    stream->status = (call);                                                                                   \
    if (stream->status != STS_EOK) {                                                                           \
      stream->failed_line = __LINE__;                                                                          \
      return NULL;                                                                                             \
    }                                                                                                          \
  } while (0)

static uint32_t next_random(struct stream *stream, uint32_t bound) {
  stream->random = stream->random * 1664525u + 1013904223u;
  return (stream->random >> 8) % bound;
}

static sts_image_def_t def_of(const struct stream *stream, const char *what) {
  char name[128];
  snprintf(name, sizeof(name), "churn-%ld-%u-%s", (long)getpid(), stream->index, what);
  return make_def(&options, name);
}

static int write_image(stsp_image_handle_t image, uint64_t seed, uint64_t from, uint64_t to) {
  static _Thread_local uint8_t bytes[SMALL];
  int status = STS_EOK;
  for (uint64_t at = from; status == STS_EOK && at < to; at += SMALL) {
    uint64_t length = to - at < SMALL ? to - at : SMALL, written;
    generate_fill(seed, at, bytes, length);
    status = sts.write_image(image, NULL, bytes, length, at, &written);
  }
  return status;
}

/* Wrong bytes count as STS_EINTERNAL. */
static int read_image(stsp_image_handle_t image, uint64_t seed, uint64_t at, uint64_t length) {
  static _Thread_local uint8_t bytes[LONGEST_READ];
  uint64_t got, wrong;
  int status = sts.read_image(image, bytes, length, at, &got);
  if (status != STS_EOK) return status;
  return got == length && generate_check(seed, at, bytes, length, &wrong) ? STS_EOK : STS_EINTERNAL;
}

/* A round opens and closes an image and a server; every 20th makes an image and deletes it. */
static void *churn_handles(void *argument) {
  struct stream *stream = argument;
  sts_lsu_t lsu = make_lsu(stream->server, lsu_name);
  sts_image_def_t kept = def_of(stream, "kept"), made = def_of(stream, "made");
  stsp_image_handle_t image;
  stsp_image_list_handle_t list;
  stsp_server_handle_t server;
  sts_image_info_t info;
  if (stream->done == 0) {
    TRY(sts.create_image(&lsu, &kept, 0, &image));
    TRY(write_image(image, stream->index, 0, SMALL));
    TRY(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  }
  for (unsigned i = 0; i < stream->rounds; i++) {
    TRY(sts.open_image(&lsu, &kept, STS_O_READ, &image));
    TRY(read_image(image, stream->index, 512 * (i % 64), 512));
    TRY(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
    TRY(sts.open_server(NULL, options.server, &no_cred, NULL, &server));
    TRY(sts.close_server(server));
    TRY(sts.get_image_prop_byname(&lsu, &kept, &info));
    if ((stream->done + i) % 20 != 0) continue;
    TRY(sts.open_image_list(&lsu, STS_II_IMAGE_PENDING, &list));
    TRY(sts.close_image_list(list));
    TRY(sts.create_image(&lsu, &made, 0, &image));
    TRY(write_image(image, i, 0, (stream->done + i) % 60 == 0 ? MIB + 512 : 1024));
    TRY(sts.close_image(image, (stream->done + i) % 40 == 0 ? STS_CLOSEF_IH_COMPLETE : STS_CLOSEF_IH_INCOMPLETE, NULL));
    TRY(sts.delete_image(&lsu, &made, 0));
  }
  stream->done += stream->rounds;
  return NULL;
}

/* One round writes 64 KiB of a new image and makes four reads of the old one; a new image is as long as the old one and is
   compared at its end. */
static void *read_while_writing(void *argument) {
  struct stream *stream = argument;
  sts_lsu_t lsu = make_lsu(stream->server, lsu_name);
  sts_image_def_t old_def = def_of(stream, "old"), new_def = def_of(stream, "new");
  stsp_image_handle_t image, old_image;
  if (stream->done == 0) {
    TRY(sts.create_image(&lsu, &old_def, 0, &image));
    TRY(write_image(image, stream->index, 0, OLD_BYTES));
    TRY(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  }
  TRY(sts.open_image(&lsu, &old_def, STS_O_READ, &old_image));
  TRY(sts.create_image(&lsu, &new_def, 0, &image));
  for (unsigned i = 0; i < stream->rounds; i++) {
    uint64_t at = i * (uint64_t)SMALL;
    TRY(write_image(image, 1000 + stream->index, at, at + SMALL));
    for (unsigned k = 0; k < 4; k++) {
      uint32_t length = 512 * (1 + next_random(stream, LONGEST_READ / 512));
      uint64_t from = 512 * (uint64_t)next_random(stream, (uint32_t)((OLD_BYTES - length) / 512));
      TRY(read_image(old_image, stream->index, from, length));
    }
  }
  TRY(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  TRY(sts.close_image(old_image, STS_CLOSEF_IH_COMPLETE, NULL));
  TRY(sts.open_image(&lsu, &new_def, STS_O_READ, &image));
  for (unsigned i = 0; i < stream->rounds; i++)
    TRY(read_image(image, 1000 + stream->index, i * (uint64_t)SMALL, SMALL));
  TRY(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  TRY(sts.delete_image(&lsu, &new_def, 0));
  stream->done += stream->rounds;
  return NULL;
}

static unsigned long resident_kib(void) {
  unsigned long kib = 0;
  char line[256];
  FILE *file = fopen("/proc/self/status", "r");
  if (file == NULL) return 0;
  /* Without shared memory: how much of the slots is warm is none of the plugin's heap. */
  while (fgets(line, sizeof(line), file) != NULL)
    if (sscanf(line, "RssAnon: %lu", &kib) == 1) break;
  fclose(file);
  return kib;
}

static unsigned count_in(const char *path, const char *what) {
  char line[512];
  unsigned count = 0;
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof(line), file) != NULL) count += strstr(line, what) != NULL;
  fclose(file);
  return count;
}

static unsigned descriptors(void) {
  unsigned count = 0;
  for (int fd = 0; fd < 1024; fd++) {
    char path[64], target[256];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    count += readlink(path, target, sizeof(target)) > 0;
  }
  return count;
}

static void run_all(struct stream *streams, unsigned count, void *(*body)(void *)) {
  for (unsigned i = 0; i < count; i++)
    if (pthread_create(&streams[i].thread, NULL, body, &streams[i]) != 0) exit(2);
  for (unsigned i = 0; i < count; i++) {
    pthread_join(streams[i].thread, NULL);
    if (streams[i].status == STS_EOK) continue;
    printf("failed stream %u line %d status %d\n", i, streams[i].failed_line, streams[i].status);
    exit(1);
  }
}

int main(int argc, char **argv) {
  options.server = getenv("VAST_OST_SERVER");
  if (argc != 6 || options.server == NULL) return 2;
  library_load(argv[1]);
  lsu_name = argv[2];
  bool mixed = strcmp(argv[3], "mixed") == 0;
  unsigned count = (unsigned)atoi(argv[4]), width = (unsigned)atoi(argv[5]);
  struct stream *streams = calloc(width, sizeof(*streams));
  char answer[16];
  if (streams == NULL || width == 0 || sts.init(STS_VERSION_11, NULL, NULL) != STS_EOK) return 2;
  for (unsigned i = 0; i < width; i++) {
    streams[i].index = i;
    streams[i].random = i + 1;
    streams[i].rounds = (count + width * MARKS - 1) / (width * MARKS);
    if (sts.open_server(NULL, options.server, &no_cred, NULL, &streams[i].server) != STS_EOK) return 3;
  }
  for (unsigned mark = 0; mark < MARKS; mark++) {
    run_all(streams, width, mixed ? read_while_writing : churn_handles);
    printf("at %llu %lu %u %u\n", (unsigned long long)(streams[0].done * width), resident_kib(), descriptors(),
           count_in("/proc/self/maps", "memfd:vast-ost"));
    fflush(stdout);
    if (fgets(answer, sizeof(answer), stdin) == NULL) return 2;
  }
  for (unsigned i = 0; i < width; i++)
    if (sts.close_server(streams[i].server) != STS_EOK) return 4;
  if (sts.terminate() != STS_EOK) return 5;
  free(streams);
  library_unload();
  return 0;
}
