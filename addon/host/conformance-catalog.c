/* What is in an LSU: listing, deleting, identity. */
#include "conformance.h"
#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static int count_listed(struct check *check, uint32_t kinds, const char *basename) {
  stsp_image_list_handle_t list;
  sts_image_info_t info;
  int found = 0, status;
  if (sts.open_image_list(&check->lsu, kinds, &list) != STS_EOK) return -1;
  while ((status = sts.list_image(list, &info)) == STS_EOK)
    found += strcmp(info.imo_def.img_basename, basename) == 0;
  if (status != STS_ENOENT || sts.list_image(list, &info) != STS_ENOENT) found = -1;
  return sts.close_image_list(list) == STS_EOK ? found : -1;
}

static bool image_list(struct check *check) {
  sts_image_def_t pending = check_def(check, "listed-pending"), complete = check_def(check, "listed");
  stsp_image_handle_t image;
  stsp_image_list_handle_t list;
  EXPECT(check_make(check, &check->lsu, &complete, 1, 512));
  EXPECT_OK(sts.create_image(&check->lsu, &pending, 0, &image));
  EXPECT(count_listed(check, 0, complete.img_basename) == 1);
  EXPECT(count_listed(check, STS_II_IMAGE_CREATED, pending.img_basename) == 0);
  EXPECT(count_listed(check, STS_II_IMAGE_PENDING, pending.img_basename) == 1);
  EXPECT(count_listed(check, STS_II_IMAGE_PENDING, complete.img_basename) == 0);
  EXPECT_STATUS(sts.open_image_list(&check->lsu, 0xff00, &list), STS_EINVAL);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &pending, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &complete, 0));
  return true;
}

static bool missing(struct check *check) {
  sts_image_def_t def = check_def(check, "missing");
  stsp_image_handle_t image;
  sts_image_info_t info;
  EXPECT_STATUS(sts.open_image(&check->lsu, &def, STS_O_READ, &image), STS_ENOENT);
  EXPECT_STATUS(sts.open_image(&check->lsu, &def, STS_O_WRITE, &image), STS_ENOENT);
  EXPECT_STATUS(sts.get_image_prop_byname(&check->lsu, &def, &info), STS_ENOENT);
  EXPECT_STATUS(sts.delete_image(&check->lsu, &def, 0), STS_ENOENT);
  return true;
}

static bool delete_busy(struct check *check) {
  sts_image_def_t def = check_def(check, "delete");
  stsp_image_handle_t image;
  EXPECT(check_make(check, &check->lsu, &def, 11, 65536));
  EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_READ, &image));
  EXPECT_STATUS(sts.delete_image(&check->lsu, &def, 0), STS_EBUSY);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 1));
  EXPECT_STATUS(sts.delete_image(&check->lsu, &def, 0), STS_ENOENT);
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool identity(struct check *check) {
  enum { COUNT = 7 };
  sts_image_def_t base = check_def(check, "identity"), defs[COUNT];
  for (unsigned i = 0; i < COUNT; i++) defs[i] = base;
  snprintf(defs[1].img_date, sizeof(defs[1].img_date), "other");
  snprintf(defs[2].img_fullname, sizeof(defs[2].img_fullname), "other");
  defs[3].img_number1++;
  defs[4].img_number2++;
  snprintf(defs[5].img_text1, sizeof(defs[5].img_text1), "other");
  snprintf(defs[6].img_text2, sizeof(defs[6].img_text2), "other");
  for (unsigned i = 0; i < COUNT; i++) EXPECT(check_make(check, &check->lsu, &defs[i], 20 + i, 1024 * (i + 1)));
  for (unsigned i = 0; i < COUNT; i++) {
    EXPECT(check_compare(check, &check->lsu, &defs[i], 20 + i, 1024 * (i + 1)));
    EXPECT_OK(sts.delete_image(&check->lsu, &defs[i], 0));
    if (i < COUNT - 1) EXPECT(check_compare(check, &check->lsu, &defs[COUNT - 1], 20 + COUNT - 1, 1024 * COUNT));
  }
  return true;
}

static bool companions(struct check *check) {
  static const char *const parts[] = {"C1_HDR", "C1_F1", "C1_TIR", "C1_IM"};
  for (unsigned i = 0; i < 4; i++) {
    sts_image_def_t def = check_def(check, parts[i]);
    EXPECT(check_make(check, &check->lsu, &def, 30 + i, i == 1 ? 2 * MIB : 1024));
    EXPECT(check_compare(check, &check->lsu, &def, 30 + i, i == 1 ? 2 * MIB : 1024));
    EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  }
  return true;
}

/* The LSU is part of the name. */
static bool same_name_elsewhere(struct check *check) {
  sts_image_def_t def = check_def(check, "both");
  if (strcmp(check->lsu.sl_name, check->second.sl_name) == 0) return true;
  EXPECT(check_make(check, &check->lsu, &def, 70, 1024));
  EXPECT(check_make(check, &check->second, &def, 71, 2048));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  EXPECT(check_compare(check, &check->second, &def, 71, 2048));
  EXPECT_OK(sts.delete_image(&check->second, &def, 0));
  return true;
}

/* A list goes on while what it lists is deleted; what is gone may still be named. */
static bool delete_while_listing(struct check *check) {
  enum { COUNT = 5 };
  sts_image_def_t defs[COUNT];
  sts_image_info_t info;
  stsp_image_list_handle_t list;
  int status;
  for (unsigned i = 0; i < COUNT; i++) {
    defs[i] = check_def(check, "listing");
    EXPECT(check_make(check, &check->lsu, &defs[i], 72, 512));
  }
  EXPECT_OK(sts.open_image_list(&check->lsu, 0, &list));
  EXPECT_OK(sts.list_image(list, &info));
  for (unsigned i = 0; i < COUNT; i++) EXPECT_OK(sts.delete_image(&check->lsu, &defs[i], 0));
  while ((status = sts.list_image(list, &info)) == STS_EOK) continue;
  EXPECT(status == STS_ENOENT);
  EXPECT_OK(sts.close_image_list(list));
  for (unsigned i = 0; i < COUNT; i++) {
    EXPECT(count_listed(check, 0, defs[i].img_basename) == 0);
    EXPECT_STATUS(sts.delete_image(&check->lsu, &defs[i], 0), STS_ENOENT);
    EXPECT_STATUS(sts.delete_image(&check->lsu, &defs[i], 1), STS_ENOENT);
  }
  return true;
}

const struct check_entry catalog_checks[] = {
    {"image list: kinds, end", image_list, 0},
    {"missing image: open, properties, delete", missing, 0},
    {"delete: busy while read, then gone", delete_busy, 0},
    {"delete: while listing; again and again", delete_while_listing, 0},
    {"identity: all fields", identity, 0},
    {"identity: the same name in two LSUs", same_name_elsewhere, 0},
    {"companion images HDR, TIR, IM", companions, 0},
    {NULL, NULL, 0},
};
