/* Handles that are none, strings that do not end, arguments that are not there. */
#include "conformance.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool bad_handle(struct check *check, void *handle) {
  char name[STS_MAX_LSUNAME], bytes[512];
  sts_server_info_t server;
  sts_image_info_t image;
  sts_event_t event = {0};
  uint64_t count;
  uint32_t length = sizeof(bytes);
  stsp_lsu_list_handle_t list;
  stsp_evchannel_handle_t channel;
  stsp_image_handle_t opened;
  stsp_image_list_handle_t images;
  stsp_opid_t operation;
  sts_lsu_t lsu = make_lsu(handle, "x");
  sts_lsu_info_t info;
  sts_image_def_t def = make_def(check->options, "x");
  EXPECT_STATUS(sts.close_server(handle), STS_EINVAL);
  EXPECT_STATUS(sts.get_server_prop(handle, &server), STS_EINVAL);
  EXPECT_STATUS(sts.get_config(handle, bytes, &length), STS_EINVAL);
  EXPECT_STATUS(sts.set_config(handle, "a = b"), STS_EINVAL);
  EXPECT_STATUS(sts.open_lsu_list(handle, &list), STS_EINVAL);
  EXPECT_STATUS(sts.list_lsu(handle, name), STS_EINVAL);
  EXPECT_STATUS(sts.close_lsu_list(handle), STS_EINVAL);
  EXPECT_STATUS(sts.get_lsu_prop_byname(&lsu, &info), STS_EINVAL);
  EXPECT_STATUS(sts.label_lsu(&lsu, "x"), STS_EINVAL);
  EXPECT_STATUS(sts.create_image(&lsu, &def, 0, &opened), STS_EINVAL);
  EXPECT_STATUS(sts.open_image(&lsu, &def, STS_O_READ, &opened), STS_EINVAL);
  EXPECT_STATUS(sts.write_image(handle, NULL, bytes, 512, 0, &count), STS_EINVAL);
  EXPECT_STATUS(sts.read_image(handle, bytes, 512, 0, &count), STS_EINVAL);
  EXPECT_STATUS(sts.flush(handle), STS_EINVAL);
  EXPECT_STATUS(sts.close_image(handle, STS_CLOSEF_IH_COMPLETE, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.delete_image(&lsu, &def, 0), STS_EINVAL);
  EXPECT_STATUS(sts.get_image_prop(handle, &image), STS_EINVAL);
  EXPECT_STATUS(sts.get_image_prop_byname(&lsu, &def, &image), STS_EINVAL);
  EXPECT_STATUS(sts.open_image_list(&lsu, 0, &images), STS_EINVAL);
  EXPECT_STATUS(sts.list_image(handle, &image), STS_EINVAL);
  EXPECT_STATUS(sts.close_image_list(handle), STS_EINVAL);
  EXPECT_STATUS(sts.write_image_meta(handle, 0, bytes, 1), STS_EINVAL);
  EXPECT_STATUS(sts.read_image_meta(handle, 0, bytes, &length), STS_EINVAL);
  EXPECT_STATUS(sts.copy_image(&lsu, &def, &check->lsu, &def), STS_EINVAL);
  EXPECT_STATUS(sts.copy_image(&check->lsu, &def, &lsu, &def), STS_EINVAL);
  EXPECT_STATUS(sts.async_copy_image(&lsu, &def, &lsu, &def, 0, &operation), STS_EINVAL);
  EXPECT_STATUS(sts.copy_extent(handle, 0, handle, 0, 512, &count), STS_EINVAL);
  EXPECT_STATUS(sts.open_evchannel(handle, 0, &channel), STS_EINVAL);
  EXPECT_STATUS(sts.get_event(handle, 0, &event), STS_EINVAL);
  EXPECT_STATUS(sts.get_event_payload(handle, &event, bytes, &length), STS_EINVAL);
  EXPECT_STATUS(sts.close_evchannel(handle), STS_EINVAL);
  return true;
}

static bool bad_handles(struct check *check) {
  uint64_t state = 99;
  EXPECT(bad_handle(check, NULL));
  EXPECT(bad_handle(check, (void *)(intptr_t)-1));
  EXPECT(bad_handle(check, &state));
  for (unsigned i = 0; i < 200; i++) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    EXPECT(bad_handle(check, (void *)(uintptr_t)state));
  }
  /* One bit away from a handle that is open. */
  for (unsigned bit = 0; bit < 64; bit++)
    EXPECT(bad_handle(check, (void *)((uintptr_t)check->server ^ (UINT64_C(1) << bit))));
  return true;
}

static bool closed_handles(struct check *check) {
  stsp_server_handle_t server;
  stsp_image_handle_t image;
  sts_cred_t cred = make_cred(check->options);
  sts_image_def_t def = check_def(check, "closed");
  EXPECT_OK(sts.open_server(NULL, check->options->server, &cred, NULL, &server));
  sts_lsu_t lsu = make_lsu(server, check->options->lsu);
  EXPECT_OK(sts.create_image(&lsu, &def, 0, &image));
  /* A handle of another kind is as foreign as garbage. */
  EXPECT_STATUS(sts.close_server((stsp_server_handle_t)(void *)image), STS_EINVAL);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&lsu, &def, 0));
  EXPECT_OK(sts.close_server(server));
  EXPECT(bad_handle(check, image));
  EXPECT(bad_handle(check, server));
  return true;
}

static bool bad_strings(struct check *check) {
  sts_image_def_t def = check_def(check, "strings");
  stsp_image_handle_t image;
  sts_image_info_t info;
  sts_image_def_t broken = def;
  memset(broken.img_basename, 'x', sizeof(broken.img_basename));
  EXPECT_STATUS(sts.create_image(&check->lsu, &broken, 0, &image), STS_EINVAL);
  broken = def;
  memset(broken.img_date, 'x', sizeof(broken.img_date));
  EXPECT_STATUS(sts.get_image_prop_byname(&check->lsu, &broken, &info), STS_EINVAL);
  broken = def;
  memset(broken.img_text2, 'x', sizeof(broken.img_text2));
  EXPECT_STATUS(sts.delete_image(&check->lsu, &broken, 0), STS_EINVAL);
  broken = def;
  broken.img_basename[0] = 0;
  EXPECT_STATUS(sts.create_image(&check->lsu, &broken, 0, &image), STS_EINVAL);
  EXPECT_STATUS(sts.create_image(&check->lsu, NULL, 0, &image), STS_EINVAL);
  EXPECT_STATUS(sts.create_image(NULL, &def, 0, &image), STS_EINVAL);
  EXPECT_STATUS(sts.create_image(&check->lsu, &def, 0, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.open_image(&check->lsu, &def, 17, &image), STS_EINVAL);
  return true;
}

/* `size` bytes that end where no page is, filled with 'x': reading one byte more is fatal. */
static void *at_the_edge(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size + page - 1) / page * page;
  uint8_t *base = mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED || mprotect(base + pages, page, PROT_NONE) != 0) return NULL;
  memset(base, 'x', pages);
  return base + pages - size;
}

static void leave_the_edge(void *edge, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size + page - 1) / page * page;
  munmap((uint8_t *)edge + size - pages, pages + page);
}

static bool edges(struct check *check) {
  sts_image_def_t *def = at_the_edge(sizeof(*def)), good = check_def(check, "edge");
  sts_lsu_t *lsu = at_the_edge(sizeof(*lsu));
  char *name = at_the_edge(STS_MAX_STSNAME), *config = at_the_edge(STS_MAX_CONFIG + 1);
  sts_cred_t *cred = at_the_edge(sizeof(*cred));
  stsp_image_handle_t image;
  stsp_server_handle_t server;
  stsp_image_list_handle_t list;
  sts_server_info_t info;
  EXPECT(def != NULL && lsu != NULL && name != NULL && cred != NULL && config != NULL);
  lsu->sl_server = check->server;
  memcpy(name, "VastData:", 9);
  memcpy(def->img_basename, "x", 2);
  memcpy(def->img_date, "1", 2);
  memcpy(def->img_fullname, "x", 2);
  memcpy(def->img_text1, "x", 2);
  /* Only the last field, at the very edge, has no end. */
  EXPECT_STATUS(sts.create_image(&check->lsu, def, 0, &image), STS_EINVAL);
  EXPECT_STATUS(sts.open_image(&check->lsu, def, STS_O_READ, &image), STS_EINVAL);
  EXPECT_STATUS(sts.delete_image(&check->lsu, def, 0), STS_EINVAL);
  EXPECT_STATUS(sts.copy_image(&check->lsu, def, &check->lsu, &good), STS_EINVAL);
  EXPECT_STATUS(sts.create_image(lsu, &good, 0, &image), STS_EINVAL);
  EXPECT_STATUS(sts.open_image_list(lsu, 0, &list), STS_EINVAL);
  EXPECT_STATUS(sts.open_server(NULL, name, NULL, NULL, &server), STS_EINVAL);
  EXPECT_STATUS(sts.get_server_prop_byname(NULL, name, &info), STS_EINVAL);
  EXPECT_STATUS(sts.label_lsu(&check->lsu, name), STS_EINVAL);
  EXPECT_STATUS(sts.set_config(check->server, config), STS_EINVAL);
  cred->cr_type = STS_CRED_CLEAR;
  cred->cr_length = sizeof(cred->cr_cert);
  EXPECT_STATUS(sts.open_server(NULL, check->options->server, cred, NULL, &server), STS_EINVAL);
  leave_the_edge(def, sizeof(*def));
  leave_the_edge(lsu, sizeof(*lsu));
  leave_the_edge(name, STS_MAX_STSNAME);
  leave_the_edge(config, STS_MAX_CONFIG + 1);
  leave_the_edge(cred, sizeof(*cred));
  return true;
}

/* Handles are good here, and what they need beside them is missing. */
static bool no_arguments(struct check *check) {
  sts_image_def_t def = check_def(check, "arguments");
  stsp_image_handle_t image;
  stsp_lsu_list_handle_t lsus;
  stsp_image_list_handle_t images;
  stsp_evchannel_handle_t channel;
  sts_event_t event = {0};
  char byte;
  uint32_t length = 1;
  EXPECT_STATUS(sts.open_lsu_list(check->server, NULL), STS_EINVAL);
  EXPECT_OK(sts.open_lsu_list(check->server, &lsus));
  EXPECT_STATUS(sts.list_lsu(lsus, NULL), STS_EINVAL);
  EXPECT_OK(sts.close_lsu_list(lsus));
  EXPECT_STATUS(sts.open_image_list(&check->lsu, 0, NULL), STS_EINVAL);
  EXPECT_OK(sts.open_image_list(&check->lsu, 0, &images));
  EXPECT_STATUS(sts.list_image(images, NULL), STS_EINVAL);
  EXPECT_OK(sts.close_image_list(images));
  EXPECT_STATUS(sts.open_evchannel(check->server, 0, NULL), STS_EINVAL);
  EXPECT_OK(sts.open_evchannel(check->server, 0, &channel));
  EXPECT_STATUS(sts.get_event(channel, 0, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.get_event_payload(channel, NULL, &byte, &length), STS_EINVAL);
  EXPECT_STATUS(sts.get_event_payload(channel, &event, NULL, &length), STS_EINVAL);
  EXPECT_STATUS(sts.get_event_payload(channel, &event, &byte, NULL), STS_EINVAL);
  EXPECT_OK(sts.close_evchannel(channel));
  EXPECT_STATUS(sts.get_config(check->server, &byte, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.get_config(check->server, NULL, &length), STS_EINVAL);
  EXPECT_STATUS(sts.get_server_prop_byname(NULL, check->options->server, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.get_lsu_prop_byname(&check->lsu, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.label_lsu(&check->lsu, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.label_lsu(NULL, "x"), STS_EINVAL);
  EXPECT_STATUS(sts.copy_image(NULL, &def, &check->lsu, &def), STS_EINVAL);
  EXPECT_STATUS(sts.copy_image(&check->lsu, NULL, &check->lsu, &def), STS_EINVAL);
  EXPECT_STATUS(sts.async_copy_image(&check->lsu, &def, &check->lsu, &def, 0, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.async_wait(1, 0, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.get_image_prop_byname(&check->lsu, &def, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.delete_image(NULL, &def, 0), STS_EINVAL);
  EXPECT_STATUS(sts.delete_image(&check->lsu, NULL, 0), STS_EINVAL);
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT_STATUS(sts.get_image_prop(image, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.read_image_meta(image, 0, &byte, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.read_image_meta(image, 0, NULL, &length), STS_EINVAL);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

const struct check_entry handle_checks[] = {
    {"NULL, foreign and made-up handles", bad_handles, 0},
    {"closed handles and handles of another kind", closed_handles, 0},
    {"strings without end, NULL arguments", bad_strings, 0},
    {"strings without end beside a page that is not there", edges, 0},
    {"good handles, missing arguments", no_arguments, 0},
    {NULL, NULL, 0},
};
