/* The host comes to no harm: threads, fork, terminate. */
#include "conformance.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

struct thread_work {
  struct check check;
  pthread_t thread;
  unsigned index;
  stsp_image_handle_t shared;
  bool good;
};

static void *own_handles(void *argument) {
  struct thread_work *work = argument;
  struct check *check = &work->check;
  char name[64];
  snprintf(name, sizeof(name), "check-%ld-thread-%u", (long)getpid(), work->index);
  sts_image_def_t def = make_def(check->options, name);
  work->good = check_make(check, &check->lsu, &def, 60 + work->index, MIB + 512 * work->index) &&
               check_compare(check, &check->lsu, &def, 60 + work->index, MIB + 512 * work->index) &&
               sts.delete_image(&check->lsu, &def, 0) == STS_EOK;
  return NULL;
}

static bool run_threads(struct check *check, unsigned count, void *(*body)(void *),
                        stsp_image_handle_t shared) {
  struct thread_work *works = calloc(count, sizeof(*works));
  unsigned started = 0;
  bool good = works != NULL;
  EXPECT(good);
  for (; started < count; started++) {
    works[started] = (struct thread_work){.check = *check, .index = started, .shared = shared};
    if (pthread_create(&works[started].thread, NULL, body, &works[started]) != 0) break;
  }
  for (unsigned i = 0; i < started; i++) {
    pthread_join(works[i].thread, NULL);
    if (!works[i].good)
      good = check_failed_at(check, __FILE__, __LINE__, "thread %u: %s", i, works[i].check.reason);
  }
  free(works);
  return good && started == count;
}

static bool threads(struct check *check) {
  return run_threads(check, 64, own_handles, NULL);
}

/* Two threads on one handle: each call works or is refused as busy; nothing else happens. */
static void *fight(void *argument) {
  struct thread_work *work = argument;
  uint8_t bytes[512];
  generate_fill(61, 0, bytes, sizeof(bytes));
  work->good = true;
  for (unsigned i = 0; i < 2000; i++) {
    uint64_t written;
    int status = sts.write_image(work->shared, NULL, bytes, sizeof(bytes), 0, &written);
    if (status != STS_EOK && status != STS_EBUSY) work->good = false;
  }
  return NULL;
}

static bool one_handle_many_threads(struct check *check) {
  sts_image_def_t def = check_def(check, "fight");
  stsp_image_handle_t image;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT(run_threads(check, 4, fight, image));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->lsu, &def, 61, 512));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool use_inherited(struct check *check, const void *argument) {
  const stsp_image_handle_t *inherited = argument;
  uint8_t bytes[512] = {0};
  uint64_t written;
  EXPECT_STATUS(sts.write_image(*inherited, NULL, bytes, sizeof(bytes), 0, &written), STS_EINVAL);
  EXPECT_STATUS(sts.close_image(*inherited, STS_CLOSEF_IH_COMPLETE, NULL), STS_EINVAL);
  sts_image_def_t def = check_def(check, "child");
  EXPECT(check_make(check, &check->lsu, &def, 62, 2 * MIB));
  EXPECT(check_compare(check, &check->lsu, &def, 62, 2 * MIB));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool fork_after_init(struct check *check) {
  sts_image_def_t def = check_def(check, "parent");
  stsp_image_handle_t image;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT(check_write(check, image, 63, 0, MIB + 512, 65536));
  EXPECT(check_elsewhere(check, use_inherited, &image));
  EXPECT(check_write(check, image, 63, MIB + 512, MIB, 65536));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->lsu, &def, 63, 2 * MIB + 512));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static unsigned count_maps(void) {
  char line[512];
  unsigned count = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof(line), file) != NULL) count += strstr(line, "memfd:vast-ost") != NULL;
  fclose(file);
  return count;
}

/* In a child, because it ends everything that is open. */
static bool end_with_open(struct check *check, const void *argument) {
  (void)argument;
  stsp_image_handle_t image;
  stsp_lsu_list_handle_t list;
  sts_image_def_t def = check_def(check, "terminate");
  EXPECT_OK(sts.open_lsu_list(check->server, &list));
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT(check_write(check, image, 64, 0, 65536, 65536));
  EXPECT(count_maps() == 1);
  unsigned threads_before = count_entries("/proc/self/task"), files = count_entries("/proc/self/fd");
  EXPECT_OK(sts.terminate());
  EXPECT(count_maps() == 0);
  EXPECT(count_entries("/proc/self/task") == threads_before);
  /* Memory, socket and wake-up of the session, and perhaps the log. */
  EXPECT(count_entries("/proc/self/fd") == files - 3 || count_entries("/proc/self/fd") == files - 4);
  EXPECT_STATUS(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.terminate(), STS_EINVAL);
  /* And begin again; the old handles stay unknown. */
  EXPECT_OK(sts.init(STS_VERSION_11, NULL, NULL));
  EXPECT_STATUS(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL), STS_EINVAL);
  sts_cred_t cred = make_cred(check->options);
  EXPECT_OK(sts.open_server(NULL, check->options->server, &cred, NULL, &check->server));
  sts_lsu_t lsu = make_lsu(check->server, check->options->lsu);
  EXPECT_OK(sts.delete_image(&lsu, &def, 0));
  return true;
}

static bool terminate_open(struct check *check) {
  return check_elsewhere(check, end_with_open, NULL);
}

static bool churn(struct check *check) {
  sts_image_def_t def = check_def(check, "churn");
  stsp_image_handle_t image;
  stsp_server_handle_t server;
  sts_cred_t cred = make_cred(check->options);
  EXPECT(check_make(check, &check->lsu, &def, 65, 1024));
  unsigned files = count_entries("/proc/self/fd");
  for (unsigned i = 0; i < 500; i++) {
    EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_READ, &image));
    EXPECT(check_read(check, image, 65, 0, 1024, 1024));
    EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
    EXPECT_OK(sts.open_server(NULL, check->options->server, &cred, NULL, &server));
    EXPECT_OK(sts.close_server(server));
  }
  EXPECT(count_entries("/proc/self/fd") == files);
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

const struct check_entry safety_checks[] = {
    {"64 threads, each with its own handles", threads, 0},
    {"one handle in several threads at once", one_handle_many_threads, 0},
    {"fork after init", fork_after_init, 0},
    {"terminate with open handles leaves nothing behind", terminate_open, 0},
    {"500 open and close cycles leave nothing behind", churn, 0},
    {NULL, NULL, 0},
};
