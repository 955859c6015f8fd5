/* Server, LSU, configuration. */
#include "conformance.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool claim(struct check *check) {
  char endless[4096];
  memset(endless, 'x', sizeof(endless));
  memcpy(endless, "VastData:", 9);
  endless[sizeof(endless) - 1] = 0;
  EXPECT_OK(sts.claim("VastData:any"));
  EXPECT_STATUS(sts.claim("PureDisk:any"), STS_ECLAIM);
  EXPECT_STATUS(sts.claim("vastdata:any"), STS_ECLAIM);
  EXPECT_STATUS(sts.claim("VastData"), STS_ECLAIM);
  EXPECT_STATUS(sts.claim("VastData:"), STS_ECLAIM);
  EXPECT_STATUS(sts.claim(""), STS_ECLAIM);
  EXPECT_STATUS(sts.claim(NULL), STS_EINVAL);
  return true;
}

static bool versions(struct check *check) {
  sts_plugin_info_t info;
  EXPECT_STATUS(sts.init(STS_VERSION_MIN - 1, NULL, &info), STS_EINVAL);
  EXPECT_STATUS(sts.init(STS_VERSION_11 + 1, NULL, &info), STS_EINVAL);
  EXPECT_OK(sts.init(STS_VERSION_MIN, NULL, &info));
  EXPECT(info.pi_vendor_version[0] != 0 && strcmp(info.pi_prefix, "VastData:") == 0);
  EXPECT_OK(sts.terminate());
  return true;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* What the library file prints when it is run with -version. A sanitizer's runtime needs a program around it. */
static bool run_library(struct check *check, char *text, size_t space) {
  int ends[2], status = 0;
  size_t length = 0;
  Dl_info library;
  EXPECT(dladdr((void *)sts.init, &library) != 0);
  EXPECT(pipe(ends) == 0);
  pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(library.dli_fname, library.dli_fname, "-version", (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  for (ssize_t got; length < space - 1 && (got = read(ends[0], text + length, space - 1 - length)) > 0;)
    length += (size_t)got;
  text[length] = 0;
  close(ends[0]);
  EXPECT(waitpid(child, &status, 0) == child && status == 0);
  return true;
}

static bool program_version(struct check *check) {
  sts_plugin_info_t plugin;
  sts_server_info_t server;
  char printed[512], wanted[STS_MAX_TEXT + 64];
  EXPECT_OK(sts.init(STS_VERSION_11, NULL, &plugin));
  EXPECT_OK(sts.terminate());
  EXPECT_OK(sts.get_server_prop(check->server, &server));
  EXPECT(strcmp(plugin.pi_vendor_version, server.srv_plugin_version) == 0);
  EXPECT(run_library(check, printed, sizeof(printed)));
  snprintf(wanted, sizeof(wanted), "vast-ost OpenStorage plugin %s (", plugin.pi_vendor_version);
  EXPECT(strncmp(printed, wanted, strlen(wanted)) == 0);
  return true;
}
#endif

static bool server_names(struct check *check) {
  stsp_server_handle_t server;
  char endless[STS_MAX_STSNAME * 2];
  memset(endless, 'x', sizeof(endless));
  memcpy(endless, "VastData:", 9);
  EXPECT_STATUS(sts.open_server(NULL, "Other:x", NULL, NULL, &server), STS_ECLAIM);
  EXPECT_STATUS(sts.open_server(NULL, NULL, NULL, NULL, &server), STS_EINVAL);
  EXPECT_STATUS(sts.open_server(NULL, endless, NULL, NULL, &server), STS_EINVAL);
  EXPECT_STATUS(sts.open_server(NULL, check->options->server, NULL, NULL, NULL), STS_EINVAL);
  EXPECT(sts.open_server(NULL, "VastData:unknown", NULL, NULL, &server) != STS_EOK);
  return true;
}

static bool credentials(struct check *check) {
  stsp_server_handle_t server;
  sts_cred_t cred = {.cr_type = STS_CRED_CLEAR, .cr_length = sizeof(cred.cr_cert)};
  memset(cred.cr_cert, 'x', sizeof(cred.cr_cert));
  EXPECT_STATUS(sts.open_server(NULL, check->options->server, &cred, NULL, &server), STS_EINVAL);
  cred.cr_length = UINT32_MAX;
  EXPECT_STATUS(sts.open_server(NULL, check->options->server, &cred, NULL, &server), STS_EINVAL);
  cred.cr_type = 99;
  EXPECT_STATUS(sts.open_server(NULL, check->options->server, &cred, NULL, &server), STS_EAUTH);
  return true;
}

static bool properties(struct check *check) {
  sts_server_info_t by_handle, by_name;
  double begin = seconds_now();
  EXPECT_OK(sts.get_server_prop(check->server, &by_handle));
  EXPECT_OK(sts.get_server_prop_byname(NULL, check->options->server, &by_name));
  EXPECT(seconds_now() - begin < 2.0);
  EXPECT(by_handle.srv_cap == by_name.srv_cap && by_handle.srv_plugin_version[0] != 0);
  EXPECT_STATUS(sts.get_server_prop_byname(NULL, "Other:x", &by_name), STS_ECLAIM);
  EXPECT_STATUS(sts.get_server_prop(check->server, NULL), STS_EINVAL);
  return true;
}

static bool ask_properties(struct check *check, const void *argument) {
  sts_lsu_info_t info;
  sts_server_info_t server;
  const sts_server_info_t *here = argument;
  double begin = seconds_now();
  EXPECT_OK(sts.get_server_prop(check->server, &server));
  EXPECT_OK(sts.get_lsu_prop_byname(&check->lsu, &info));
  EXPECT(seconds_now() - begin < 2.0);
  EXPECT(server.srv_cap == here->srv_cap && server.srv_flags == here->srv_flags);
  EXPECT(server.srv_max_handles == here->srv_max_handles && server.srv_max_handles > 0);
  return true;
}

static bool cold_properties(struct check *check) {
  sts_server_info_t here;
  EXPECT_OK(sts.get_server_prop(check->server, &here));
  return check_elsewhere(check, ask_properties, &here);
}

/* What the server does not claim, nothing else may claim for it. */
static bool no_worm(struct check *check) {
  sts_server_info_t server;
  sts_lsu_info_t info;
  EXPECT_OK(sts.get_server_prop(check->server, &server));
  EXPECT_OK(sts.get_lsu_prop_byname(&check->lsu, &info));
  bool offered = (server.srv_cap & STS_SRVC_WORM) != 0;
  EXPECT(((info.lsu_flags & STS_LSUF_WORM) != 0) <= offered);
  if (!offered) EXPECT(info.lsu_worm_min == 0 && info.lsu_worm_max == 0);
  if (offered && (info.lsu_flags & STS_LSUF_WORM)) EXPECT(info.lsu_worm_min <= info.lsu_worm_max);
  return true;
}

struct heard {
  char line[1024];
  unsigned lines;
};

static void hear(void *context, int severity, const char *line) {
  struct heard *heard = context;
  heard->lines++;
  if (severity == STS_LOG_ERROR) snprintf(heard->line, sizeof(heard->line), "%s", line);
}

static bool log_lines(struct check *check) {
  struct heard heard = {.line = ""};
  sts_session_t session = {.se_job = "4711", .se_log = hear, .se_log_context = &heard};
  stsp_server_handle_t server;
  sts_cred_t cred = make_cred(check->options);
  EXPECT_OK(sts.open_server(&session, check->options->server, &cred, NULL, &server));
  sts_lsu_t lsu = make_lsu(server, check->options->lsu);
  EXPECT_STATUS(sts.delete_image(&lsu, NULL, 0), STS_EINVAL);
  const char *begins = "stsp_delete_image: STS_EINVAL [2060001] ";
  EXPECT(heard.lines == 1 && strncmp(heard.line, begins, strlen(begins)) == 0);
  EXPECT_OK(sts.close_server(server));
  return true;
}

static bool close_busy(struct check *check) {
  stsp_server_handle_t server;
  stsp_lsu_list_handle_t list;
  sts_cred_t cred = make_cred(check->options);
  EXPECT_OK(sts.open_server(NULL, check->options->server, &cred, NULL, &server));
  EXPECT_OK(sts.open_lsu_list(server, &list));
  EXPECT_STATUS(sts.close_server(server), STS_EBUSY);
  EXPECT_OK(sts.close_lsu_list(list));
  sts_lsu_t lsu = make_lsu(server, check->options->lsu);
  sts_image_def_t def = check_def(check, "busy");
  stsp_image_handle_t image;
  stsp_image_list_handle_t images;
  stsp_evchannel_handle_t channel;
  EXPECT_OK(sts.open_image_list(&lsu, 0, &images));
  EXPECT_STATUS(sts.close_server(server), STS_EBUSY);
  EXPECT_OK(sts.close_image_list(images));
  EXPECT_OK(sts.open_evchannel(server, 0, &channel));
  EXPECT_STATUS(sts.close_server(server), STS_EBUSY);
  EXPECT_OK(sts.close_evchannel(channel));
  EXPECT_OK(sts.create_image(&lsu, &def, 0, &image));
  EXPECT_STATUS(sts.close_server(server), STS_EBUSY);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&lsu, &def, 0));
  EXPECT_OK(sts.close_server(server));
  EXPECT_STATUS(sts.close_server(server), STS_EINVAL);
  return true;
}

static bool lsu_list(struct check *check) {
  stsp_lsu_list_handle_t list;
  char name[STS_MAX_LSUNAME];
  bool found = false;
  int status;
  EXPECT_OK(sts.open_lsu_list(check->server, &list));
  while ((status = sts.list_lsu(list, name)) == STS_EOK) found |= strcmp(name, check->options->lsu) == 0;
  EXPECT(status == STS_ENOENT && found);
  EXPECT_STATUS(sts.list_lsu(list, name), STS_ENOENT);
  EXPECT_OK(sts.close_lsu_list(list));
  EXPECT_STATUS(sts.list_lsu(list, name), STS_EINVAL);
  return true;
}

static bool lsu_properties(struct check *check) {
  sts_lsu_info_t info;
  EXPECT_OK(sts.get_lsu_prop_byname(&check->lsu, &info));
  EXPECT(strcmp(info.lsu_name, check->options->lsu) == 0);
  sts_lsu_t missing = make_lsu(check->server, "no-such-lsu-here");
  EXPECT_STATUS(sts.get_lsu_prop_byname(&missing, &info), STS_ENOENT);
  EXPECT_STATUS(sts.get_lsu_prop_byname(NULL, &info), STS_EINVAL);
  sts_lsu_t endless = {.sl_server = check->server};
  memset(endless.sl_name, 'x', sizeof(endless.sl_name));
  EXPECT_STATUS(sts.get_lsu_prop_byname(&endless, &info), STS_EINVAL);
  return true;
}

static bool label(struct check *check) {
  sts_lsu_info_t before, after;
  EXPECT_OK(sts.get_lsu_prop_byname(&check->lsu, &before));
  EXPECT_OK(sts.label_lsu(&check->lsu, "conformance"));
  EXPECT_OK(sts.get_lsu_prop_byname(&check->lsu, &after));
  EXPECT(strcmp(after.lsu_label, "conformance") == 0);
  EXPECT_OK(sts.label_lsu(&check->lsu, before.lsu_label));
  return true;
}

static bool config(struct check *check) {
  static char text[STS_MAX_CONFIG];
  uint32_t length = sizeof(text), small = 0;
  EXPECT_OK(sts.get_config(check->server, text, &length));
  EXPECT(strlen(text) == length);
  if (length > 0) {
    EXPECT_STATUS(sts.get_config(check->server, text, &small), STS_EINVAL);
    EXPECT(small == length);
  }
  EXPECT_STATUS(sts.set_config(check->server, "this is no configuration line"), STS_EINVAL);
  EXPECT_STATUS(sts.set_config(check->server, NULL), STS_EINVAL);
  return true;
}

/* A line that was read can be set: nothing changes, and nothing is refused. */
static bool config_again(struct check *check) {
  static char text[STS_MAX_CONFIG], after[STS_MAX_CONFIG];
  char line[256];
  uint32_t length = sizeof(text), again = sizeof(after);
  EXPECT_OK(sts.get_config(check->server, text, &length));
  const char *found = strstr(text, "compression = ");
  EXPECT(found != NULL);
  snprintf(line, sizeof(line), "%.*s\n", (int)strcspn(found, "\n"), found);
  EXPECT_OK(sts.set_config(check->server, line));
  EXPECT_OK(sts.get_config(check->server, after, &again));
  EXPECT(strcmp(text, after) == 0);
  return true;
}

const struct check_entry server_checks[] = {
    {"claim: only VastData:", claim, 0},
    {"init: interface versions 9 to 11, counted", versions, 0},
    {"open_server: names", server_names, 0},
    {"open_server: malformed credentials", credentials, 0},
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    {"-version of the library run as a program is the property's", program_version, 0},
#endif
    {"server properties by handle and by name", properties, 0},
    {"properties from a fresh process are the same", cold_properties, 0},
    {"WORM: nothing claimed that the server does not offer", no_worm, 0},
    {"log: a failing call tells the host function, STS name and number", log_lines, 0},
    {"close_server: busy while something is open", close_busy, 0},
    {"LSU list ends with no more entries", lsu_list, 0},
    {"LSU properties; unknown LSU", lsu_properties, 0},
    {"LSU label", label, STS_SRVC_LABEL},
    {"configuration text", config, STS_SRVC_CONFIG},
    {"configuration: a line that was read can be set", config_again, STS_SRVC_CONFIG},
    {NULL, NULL, 0},
};
