/* Server, LSU, configuration. */
#include "conformance.h"
#include <stdio.h>
#include <string.h>

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
  (void)argument;
  double begin = seconds_now();
  EXPECT_OK(sts.get_server_prop(check->server, &server));
  EXPECT_OK(sts.get_lsu_prop_byname(&check->lsu, &info));
  EXPECT(seconds_now() - begin < 2.0);
  return true;
}

static bool cold_properties(struct check *check) {
  return check_elsewhere(check, ask_properties, NULL);
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

const struct check_entry server_checks[] = {
    {"claim: only VastData:", claim, 0},
    {"init: interface versions 9 to 11, counted", versions, 0},
    {"open_server: names", server_names, 0},
    {"open_server: malformed credentials", credentials, 0},
    {"server properties by handle and by name", properties, 0},
    {"properties from a fresh process", cold_properties, 0},
    {"close_server: busy while something is open", close_busy, 0},
    {"LSU list ends with no more entries", lsu_list, 0},
    {"LSU properties; unknown LSU", lsu_properties, 0},
    {"LSU label", label, STS_SRVC_LABEL},
    {"configuration text", config, STS_SRVC_CONFIG},
    {NULL, NULL, 0},
};
