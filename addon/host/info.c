/* info and poll: what bpstsinfo asks. */
#include "host.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void print_size(const char *name, uint64_t value) {
  if (value == STS_UNKNOWN)
    printf("\t%s: unknown\n", name);
  else
    printf("\t%s: %" PRIu64 "\n", name, value);
}

static int print_server(stsp_server_handle_t server) {
  static const char *const names[] = {"WRITE_IMAGE_RANDOM", "COPY_IMAGE", "COPY_EXTENT", "ASYNC_COPY", "EVENTS",
                                      "IMAGE_META",         "CONFIG",     "LABEL",       "WORM"};
  sts_server_info_t info;
  int status = sts.get_server_prop(server, &info);
  if (status != STS_EOK) return complain("stsp_get_server_prop", status);
  printf("Storage Server Information\n\tName: %.*s\n\tEngine version: %s\n\tPlugin version: %s\n\tMax handles: "
         "%u\n",
         STS_MAX_STSNAME, info.srv_name, info.srv_version, info.srv_plugin_version, info.srv_max_handles);
  printf("\tCapabilities:");
  for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (info.srv_cap >> i & 1) printf(" STS_SRVC_%s", names[i]);
  printf("\n");
  return EXIT_OK;
}

static int print_lsu(stsp_server_handle_t server, const char *name) {
  sts_lsu_t lsu = make_lsu(server, name);
  sts_lsu_info_t info;
  int status = sts.get_lsu_prop_byname(&lsu, &info);
  if (status != STS_EOK) return complain("stsp_get_lsu_prop_byname", status);
  printf("LSU Information\n\tName: %s\n\tLabel: %s\n\tDescription: %s\n\tFlags: 0x%" PRIx64 "\n", info.lsu_name,
         info.lsu_label, info.lsu_description, info.lsu_flags);
  print_size("Capacity", info.lsu_capacity);
  print_size("Used", info.lsu_used);
  print_size("Physical capacity", info.lsu_capacity_phys);
  print_size("Physical used", info.lsu_used_phys);
  print_size("Images", info.lsu_images);
  if (info.lsu_flags & STS_LSUF_WORM) {
    print_size("WORM minimum seconds", info.lsu_worm_min);
    print_size("WORM maximum seconds", info.lsu_worm_max);
  }
  return EXIT_OK;
}

static int print_images(stsp_server_handle_t server, const char *name) {
  sts_lsu_t lsu = make_lsu(server, name);
  stsp_image_list_handle_t list;
  sts_image_info_t info;
  int status = sts.open_image_list(&lsu, STS_II_IMAGE_PENDING | STS_II_IMAGE_CREATED, &list);
  if (status != STS_EOK) return complain("stsp_open_image_list", status);
  while ((status = sts.list_image(list, &info)) == STS_EOK)
    printf("Image %s/%s:%s:%s:%u:%u:%s:%s size %" PRIu64 " flags 0x%x\n", name, info.imo_def.img_basename,
           info.imo_def.img_date, info.imo_def.img_fullname, info.imo_def.img_number1, info.imo_def.img_number2,
           info.imo_def.img_text1, info.imo_def.img_text2, info.imo_size, info.imo_flags);
  int closed = sts.close_image_list(list);
  if (status != STS_ENOENT) return complain("stsp_list_image", status);
  return closed == STS_EOK ? EXIT_OK : complain("stsp_close_image_list", closed);
}

/* Every LSU, or the one that was named. */
static int each_lsu(stsp_server_handle_t server, const char *only,
                    int (*visit)(stsp_server_handle_t, const char *)) {
  stsp_lsu_list_handle_t list;
  char name[STS_MAX_LSUNAME];
  int code = EXIT_OK;
  if (only != NULL) return visit(server, only);
  int status = sts.open_lsu_list(server, &list);
  if (status != STS_EOK) return complain("stsp_open_lsu_list", status);
  while (code == EXIT_OK && (status = sts.list_lsu(list, name)) == STS_EOK) code = visit(server, name);
  int closed = sts.close_lsu_list(list);
  if (code == EXIT_OK && status != STS_ENOENT) return complain("stsp_list_lsu", status);
  return closed == STS_EOK ? code : complain("stsp_close_lsu_list", closed);
}

int command_info(const struct options *options) {
  uint32_t parts = options->info != 0 ? options->info : INFO_PLUGIN | INFO_SERVER | INFO_LSU;
  int code = EXIT_OK;
  if (parts & INFO_PLUGIN) {
    sts_plugin_info_t plugin;
    int status = sts.init(STS_VERSION_11, sts.path, &plugin);
    if (status != STS_EOK) return complain("stsp_init", status);
    printf("Plugin Information\n\tLibrary: %s\n\tVersion: %s\n\tPrefix: %s\n\tInterface: %u\n", sts.path,
           plugin.pi_vendor_version, plugin.pi_prefix, plugin.pi_version);
    status = sts.terminate();
    if (status != STS_EOK) return complain("stsp_terminate", status);
    if (parts == INFO_PLUGIN) return EXIT_OK;
  }
  stsp_server_handle_t server = open_session(options);
  if (parts & INFO_SERVER) code = print_server(server);
  if (code == EXIT_OK && parts & INFO_LSU) code = each_lsu(server, options->lsu, print_lsu);
  if (code == EXIT_OK && parts & INFO_IMAGE) code = each_lsu(server, options->lsu, print_images);
  close_session(server);
  return code;
}

static int ask_lsu(stsp_server_handle_t server, const char *name) {
  sts_lsu_t lsu = make_lsu(server, name);
  sts_lsu_info_t info;
  double begin = seconds_now();
  int status = sts.get_lsu_prop_byname(&lsu, &info);
  printf("  %s: status %d, %.1f ms\n", name, status, (seconds_now() - begin) * 1000);
  return status == STS_EOK ? EXIT_OK : EXIT_FAILED;
}

/* From a cold start each time, as NetBackup's poller forks a new process for it. */
int command_poll(const struct options *options) {
  int code = EXIT_OK;
  for (uint32_t i = 0; i < options->count && code == EXIT_OK; i++) {
    struct timespec pause = {.tv_sec = options->interval_ms / 1000,
                             .tv_nsec = (long)(options->interval_ms % 1000) * 1000000};
    if (i > 0) nanosleep(&pause, NULL);
    sts_server_info_t info;
    double begin = seconds_now();
    stsp_server_handle_t server = open_session(options);
    int status = sts.get_server_prop(server, &info);
    if (status != STS_EOK) code = complain("stsp_get_server_prop", status);
    printf("poll %u: server %.1f ms\n", i + 1, (seconds_now() - begin) * 1000);
    if (code == EXIT_OK) code = each_lsu(server, options->lsu, ask_lsu);
    close_session(server);
    printf("poll %u: all %.1f ms\n", i + 1, (seconds_now() - begin) * 1000);
    fflush(stdout);
  }
  return code;
}
