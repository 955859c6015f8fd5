/* list, delete, copy */
#include "host.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

int command_list(const struct options *options) {
  if (options->lsu == NULL) usage(EXIT_USAGE);
  stsp_server_handle_t server = open_session(options);
  sts_lsu_t lsu = make_lsu(server, options->lsu);
  stsp_image_list_handle_t list;
  sts_image_info_t info;
  uint32_t kinds = STS_II_IMAGE_CREATED | (options->pending ? STS_II_IMAGE_PENDING : 0);
  int status = sts.open_image_list(&lsu, kinds, &list);
  int code = status == STS_EOK ? EXIT_OK : complain("stsp_open_image_list", status);
  if (code == EXIT_OK) {
    while ((status = sts.list_image(list, &info)) == STS_EOK)
      if (options->image == NULL || starts_with(info.imo_def.img_basename, options->image))
        printf("%s\t%s\t%" PRIu64 "\t%s\n", info.imo_def.img_basename, info.imo_def.img_date, info.imo_size,
               info.imo_flags & STS_II_IMAGE_PENDING ? "pending" : "complete");
    if (status != STS_ENOENT) code = complain("stsp_list_image", status);
    sts.close_image_list(list);
  }
  close_session(server);
  return code;
}

/* The parts of one backup: NAME_C1_HDR, NAME_C1_F1, NAME_S2_C1_F1 and so on. */
static bool belongs(const sts_image_def_t *def, const char *name) {
  size_t length = strlen(name);
  if (!starts_with(def->img_basename, name)) return false;
  const char *rest = def->img_basename + length;
  return *rest == 0 || starts_with(rest, "_C1_") || (starts_with(rest, "_S") && strstr(rest, "_C1_") != NULL);
}

int command_delete(const struct options *options) {
  if (options->lsu == NULL || options->image == NULL) usage(EXIT_USAGE);
  stsp_server_handle_t server = open_session(options);
  sts_lsu_t lsu = make_lsu(server, options->lsu);
  stsp_image_list_handle_t list;
  sts_image_info_t info;
  sts_image_def_t *found = NULL;
  size_t count = 0;
  int status = sts.open_image_list(&lsu, STS_II_IMAGE_CREATED | STS_II_IMAGE_PENDING, &list);
  int code = status == STS_EOK ? EXIT_OK : complain("stsp_open_image_list", status);
  while (code == EXIT_OK && (status = sts.list_image(list, &info)) == STS_EOK) {
    if (!belongs(&info.imo_def, options->image)) continue;
    sts_image_def_t *grown = realloc(found, (count + 1) * sizeof(*found));
    if (grown == NULL) {
      code = complain("realloc", STS_ENOMEM);
      break;
    }
    found = grown;
    found[count++] = info.imo_def;
  }
  if (code == EXIT_OK) sts.close_image_list(list);
  for (size_t i = 0; code == EXIT_OK && i < count; i++) {
    status = sts.delete_image(&lsu, &found[i], options->async);
    if (status != STS_EOK)
      code = complain("stsp_delete_image", status);
    else
      printf("deleted %s\n", found[i].img_basename);
  }
  if (code == EXIT_OK && count == 0) code = complain("stsp_delete_image", STS_ENOENT);
  free(found);
  close_session(server);
  return code;
}

static int copy_async(const sts_lsu_t *from, const sts_image_def_t *source, const sts_lsu_t *to,
                      const sts_image_def_t *target) {
  stsp_opid_t operation;
  sts_copy_progress_t progress = {0};
  int status = sts.async_copy_image(from, source, to, target, STS_COPYF_EVENT, &operation);
  if (status != STS_EOK) return complain("stsp_async_copy_image", status);
  while (!progress.cp_done) {
    status = sts.async_wait(operation, 1000, &progress);
    if (status != STS_EOK) return complain("stsp_async_wait", status);
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " bytes\n", progress.cp_bytes, progress.cp_total);
  }
  return EXIT_OK;
}

int command_copy(const struct options *options) {
  if (options->lsu == NULL || options->image == NULL) usage(EXIT_USAGE);
  const char *to_lsu = options->to_lsu != NULL ? options->to_lsu : options->lsu;
  const char *to_image = options->to_image != NULL ? options->to_image : options->image;
  stsp_server_handle_t server = open_session(options);
  sts_lsu_t from = make_lsu(server, options->lsu), to = make_lsu(server, to_lsu);
  sts_image_def_t source = make_def(options, options->image), target = make_def(options, to_image);
  int code;
  if (options->async) {
    code = copy_async(&from, &source, &to, &target);
  } else {
    int status = sts.copy_image(&from, &source, &to, &target);
    code = status == STS_EOK ? EXIT_OK : complain("stsp_copy_image", status);
  }
  close_session(server);
  return code;
}
