/*
 * One function of the interface while something is wrong with the engine: outage LIBRARY LSU FUNCTION [absent].
 * Opens one of everything, says "ready", waits for a line, calls the function, says its status and milliseconds, waits for a
 * line, lets go of everything, says what is left. With `absent` nothing is opened. test/ost/plugin-outage.test.ts drives it.
 */
#include "../host/host.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE ((size_t)64 << 20) /* more than an image's slots hold */
#define WRITTEN ((size_t)(1 << 20) + 65536)

static struct {
  stsp_server_handle_t server;
  stsp_lsu_list_handle_t lsus;
  stsp_image_list_handle_t images;
  stsp_evchannel_handle_t channel;
  stsp_image_handle_t reader, writer, opened;
  stsp_opid_t operation;
  sts_lsu_t lsu;
  sts_image_def_t source, writing, fresh, target, target_2;
  uint8_t *bytes;
  const char *name;
} all;

static const sts_cred_t no_cred = {.cr_type = STS_CRED_NONE};
static sts_lsu_info_t lsu_info;
static sts_server_info_t server_info;
static sts_image_info_t image_info;
static char text[STS_MAX_CONFIG];

static int call_init(void) {
  int status = sts.init(STS_VERSION_11, NULL, NULL);
  return status == STS_EOK ? sts.terminate() : status;
}
static int call_claim(void) { return sts.claim(all.name); }
static int call_terminate(void) {
  int status = sts.terminate();
  return status == STS_EOK ? sts.init(STS_VERSION_11, NULL, NULL) : status;
}
static int call_open_server(void) {
  stsp_server_handle_t server;
  int status = sts.open_server(NULL, all.name, &no_cred, NULL, &server);
  if (status == STS_EOK) sts.close_server(server);
  return status;
}
static int call_close_server(void) {
  stsp_server_handle_t server = all.server;
  if (server != NULL) {
    /* Its children are in the way. */
    int status = sts.close_server(server);
    if (status != STS_EBUSY) return status;
    sts.close_image(all.reader, STS_CLOSEF_IH_COMPLETE, NULL);
    sts.close_image(all.writer, STS_CLOSEF_IH_INCOMPLETE, NULL);
    sts.close_lsu_list(all.lsus);
    sts.close_image_list(all.images);
    sts.close_evchannel(all.channel);
  }
  return sts.close_server(server);
}
static int call_get_server_prop(void) { return sts.get_server_prop(all.server, &server_info); }
static int call_get_server_prop_byname(void) {
  return sts.get_server_prop_byname(NULL, all.name, &server_info);
}
static int call_get_config(void) {
  uint32_t length = sizeof(text);
  return sts.get_config(all.server, text, &length);
}
static int call_set_config(void) { return sts.set_config(all.server, "compression = none\n"); }
static int call_open_lsu_list(void) {
  stsp_lsu_list_handle_t list;
  int status = sts.open_lsu_list(all.server, &list);
  if (status == STS_EOK) sts.close_lsu_list(list);
  return status;
}
static int call_list_lsu(void) {
  char name[STS_MAX_LSUNAME];
  int status;
  while ((status = sts.list_lsu(all.lsus, name)) == STS_EOK) continue;
  return status;
}
static int call_close_lsu_list(void) { return sts.close_lsu_list(all.lsus); }
static int call_get_lsu_prop_byname(void) { return sts.get_lsu_prop_byname(&all.lsu, &lsu_info); }
static int call_label_lsu(void) { return sts.label_lsu(&all.lsu, "label"); }
static int call_create_image(void) { return sts.create_image(&all.lsu, &all.fresh, 0, &all.opened); }
static int call_open_image(void) { return sts.open_image(&all.lsu, &all.source, STS_O_READ, &all.opened); }
static int call_write_image(void) {
  uint64_t written;
  return sts.write_image(all.writer, NULL, all.bytes, LARGE, WRITTEN, &written);
}
static int call_read_image(void) {
  uint64_t got;
  return sts.read_image(all.reader, all.bytes, 65536, 0, &got);
}
static int call_flush(void) { return sts.flush(all.writer); }
static int call_close_image(void) {
  int status = sts.close_image(all.writer, STS_CLOSEF_IH_COMPLETE, NULL);
  /* The handle is gone, whatever came of it. */
  return sts.close_image(all.writer, STS_CLOSEF_IH_COMPLETE, NULL) == STS_EINVAL ? status : STS_EINTERNAL;
}
static int call_delete_image(void) { return sts.delete_image(&all.lsu, &all.fresh, 0); }
static int call_get_image_prop(void) { return sts.get_image_prop(all.reader, &image_info); }
static int call_get_image_prop_byname(void) {
  return sts.get_image_prop_byname(&all.lsu, &all.source, &image_info);
}
static int call_open_image_list(void) {
  stsp_image_list_handle_t list;
  int status = sts.open_image_list(&all.lsu, 0, &list);
  if (status == STS_EOK) sts.close_image_list(list);
  return status;
}
static int call_list_image(void) {
  int status;
  while ((status = sts.list_image(all.images, &image_info)) == STS_EOK) continue;
  return status;
}
static int call_close_image_list(void) { return sts.close_image_list(all.images); }
static int call_write_image_meta(void) { return sts.write_image_meta(all.writer, 0, all.bytes, 4096); }
static int call_read_image_meta(void) {
  uint32_t length = 4096;
  return sts.read_image_meta(all.reader, 0, all.bytes, &length);
}
static int call_copy_image(void) { return sts.copy_image(&all.lsu, &all.source, &all.lsu, &all.target_2); }
static int call_copy_extent(void) {
  uint64_t copied;
  return sts.copy_extent(all.writer, WRITTEN, all.reader, 0, 65536, &copied);
}
static int call_async_copy_image(void) {
  stsp_opid_t operation;
  return sts.async_copy_image(&all.lsu, &all.source, &all.lsu, &all.target_2, 0, &operation);
}
static int call_async_wait(void) {
  sts_copy_progress_t progress;
  return sts.async_wait(all.operation, 100, &progress);
}
static int call_async_cancel(void) { return sts.async_cancel(all.operation); }
static int call_open_evchannel(void) {
  stsp_evchannel_handle_t channel;
  int status = sts.open_evchannel(all.server, 0, &channel);
  if (status == STS_EOK) sts.close_evchannel(channel);
  return status;
}
static int call_get_event(void) {
  sts_event_t event;
  return sts.get_event(all.channel, 100, &event);
}
static int call_get_event_payload(void) {
  sts_event_t event = {.ev_sequence = 1};
  uint32_t length = sizeof(text);
  return sts.get_event_payload(all.channel, &event, text, &length);
}
static int call_close_evchannel(void) { return sts.close_evchannel(all.channel); }

/* The list that the library is loaded by: a function without a call_… does not compile. */
#define CASE(name) {#name, call_##name},
static const struct {
  const char *name;
  int (*call)(void);
} functions[] = {LIBRARY_FUNCTIONS(CASE)};

static void must(int status, const char *what) {
  if (status == STS_EOK) return;
  printf("cannot prepare: %s answered %d\n", what, status);
  exit(2);
}
#define MUST(call) must((call), #call)

static void say_and_wait(const char *line) {
  char answer[16];
  printf("%s\n", line);
  fflush(stdout);
  if (fgets(answer, sizeof(answer), stdin) == NULL) exit(2);
}

static void open_everything(const struct options *options, const char *function) {
  char name[128];
  uint64_t written;
  sts_image_def_t *const defs[] = {&all.source, &all.writing, &all.fresh, &all.target, &all.target_2};
  MUST(sts.open_server(NULL, all.name, &no_cred, NULL, &all.server));
  all.lsu = make_lsu(all.server, options->lsu);
  for (unsigned i = 0; i < sizeof(defs) / sizeof(defs[0]); i++) {
    snprintf(name, sizeof(name), "outage-%ld-%s-%u", (long)getpid(), function, i);
    *defs[i] = make_def(options, name);
  }
  MUST(sts.create_image(&all.lsu, &all.source, 0, &all.writer));
  MUST(sts.write_image(all.writer, NULL, all.bytes, 65536, 0, &written));
  MUST(sts.write_image_meta(all.writer, 0, all.bytes, 512));
  MUST(sts.close_image(all.writer, STS_CLOSEF_IH_COMPLETE, NULL));
  MUST(sts.open_image(&all.lsu, &all.source, STS_O_READ, &all.reader));
  MUST(sts.create_image(&all.lsu, &all.writing, 0, &all.writer));
  /* A whole chunk, for flush to wait for, and some more. */
  MUST(sts.write_image(all.writer, NULL, all.bytes, WRITTEN, 0, &written));
  MUST(sts.open_lsu_list(all.server, &all.lsus));
  MUST(sts.open_image_list(&all.lsu, 0, &all.images));
  MUST(sts.open_evchannel(all.server, UINT64_MAX - 1, &all.channel));
  MUST(sts.async_copy_image(&all.lsu, &all.source, &all.lsu, &all.target, 0, &all.operation));
}

static unsigned mappings(void) {
  char line[512];
  unsigned count = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  if (file == NULL) return 99;
  while (fgets(line, sizeof(line), file) != NULL) count += strstr(line, "memfd:vast-ost") != NULL;
  fclose(file);
  return count;
}

static unsigned descriptors(void) {
  unsigned count = 0;
  for (int fd = 3; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

int main(int argc, char **argv) {
  struct options options = {.server = getenv("VAST_OST_SERVER"), .date = "1700000000", .policy = "outage"};
  if (argc < 4 || options.server == NULL) return 2;
  library_load(argv[1]);
  options.lsu = argv[2];
  all.name = options.server;
  all.bytes = calloc(1, LARGE);
  if (all.bytes == NULL) return 2;
  unsigned before = descriptors();
  MUST(sts.init(STS_VERSION_11, NULL, NULL));
  if (argc == 4) open_everything(&options, argv[3]);
  say_and_wait("ready");
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
    if (strcmp(functions[i].name, argv[3]) != 0) continue;
    double begin = seconds_now();
    int answered = functions[i].call();
    printf("called %d %.0f\n", answered, (seconds_now() - begin) * 1000);
  }
  say_and_wait("done");
  double begin = seconds_now();
  /* What came too late is undone: the image that create_image gave up on becomes free. */
  int status = all.opened == NULL ? STS_EBUSY : STS_EOK;
  for (unsigned i = 0; i < 1000 && status == STS_EBUSY; i++) {
    if (i > 0) usleep(5000);
    status = sts.delete_image(&all.lsu, &all.fresh, 0);
  }
  printf("fresh %d\n", status);
  if (all.opened != NULL) sts.close_image(all.opened, STS_CLOSEF_IH_INCOMPLETE, NULL);
  sts.close_image(all.reader, STS_CLOSEF_IH_COMPLETE, NULL);
  sts.close_image(all.writer, STS_CLOSEF_IH_INCOMPLETE, NULL);
  sts.close_lsu_list(all.lsus);
  sts.close_image_list(all.images);
  sts.close_evchannel(all.channel);
  printf("server %d\n", sts.close_server(all.server));
  printf("terminate %d\n", sts.terminate());
  printf("ended %.0f\n", (seconds_now() - begin) * 1000);
  printf("left %u %u\n", mappings(), descriptors() - before);
  library_unload();
  free(all.bytes);
  return 0;
}
