#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

sts_lsu_t make_lsu(stsp_server_handle_t server, const char *name) {
  sts_lsu_t lsu = {.sl_server = server};
  snprintf(lsu.sl_name, sizeof(lsu.sl_name), "%s", name);
  return lsu;
}

sts_image_def_t make_def(const struct options *options, const char *basename) {
  sts_image_def_t def = {.img_number1 = 4, .img_number2 = 1};
  snprintf(def.img_basename, sizeof(def.img_basename), "%s", basename);
  snprintf(def.img_date, sizeof(def.img_date), "%s", options->date);
  snprintf(def.img_fullname, sizeof(def.img_fullname), "%s", options->policy);
  return def;
}

sts_cred_t make_cred(const struct options *options) {
  sts_cred_t cred = {.cr_type = STS_CRED_NONE};
  if (options->user == NULL) return cred;
  const char *password = options->password != NULL ? options->password : "";
  int length = snprintf(cred.cr_cert, sizeof(cred.cr_cert), "%s%c%s", options->user, 0, password);
  if (length < 0 || (size_t)length >= sizeof(cred.cr_cert)) usage(EXIT_USAGE);
  cred.cr_type = STS_CRED_CLEAR;
  cred.cr_length = (uint32_t)length + 1;
  return cred;
}

int complain(const char *function, int status) {
  fprintf(stderr, "ost-host: %s failed: %d\n", function, status);
  return EXIT_FAILED;
}

stsp_server_handle_t open_session(const struct options *options) {
  sts_plugin_info_t plugin;
  stsp_server_handle_t server = NULL;
  sts_session_t session = {.se_application = "ost-host", .se_job = "0"};
  sts_cred_t cred = make_cred(options);
  const char *step = "stsp_init";
  int status = sts.init(STS_VERSION_11, sts.path, &plugin);
  if (status == STS_EOK) {
    step = "stsp_claim";
    status = sts.claim(options->server);
  }
  if (status == STS_EOK) {
    step = "stsp_open_server";
    status = sts.open_server(&session, options->server, &cred, NULL, &server);
  }
  if (status == STS_EOK) return server;
  complain(step, status);
  fprintf(stderr, "ost-host: is the engine running? See the log file named in plugin.conf.\n");
  exit(EXIT_SETUP);
}

void close_session(stsp_server_handle_t server) {
  int status = sts.close_server(server);
  if (status != STS_EOK) complain("stsp_close_server", status);
  status = sts.terminate();
  if (status != STS_EOK) complain("stsp_terminate", status);
}

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}
