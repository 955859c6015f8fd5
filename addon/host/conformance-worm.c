/* An LSU that locks its images (--worm-lsu). */
#include "conformance.h"
#include <time.h>

#define CLOCKS_DIFFER 900 /* seconds; more than that and nothing is locked at all */

static bool locked_image(struct check *check) {
  sts_lsu_info_t lsu;
  sts_image_info_t info;
  sts_image_def_t def = check_def(check, "worm");
  EXPECT_OK(sts.get_lsu_prop_byname(&check->worm, &lsu));
  EXPECT(lsu.lsu_flags & STS_LSUF_WORM);
  EXPECT(lsu.lsu_worm_min <= lsu.lsu_worm_max && lsu.lsu_worm_max > 0);
  uint64_t before = (uint64_t)time(NULL);
  if (!check_make(check, &check->worm, &def, 1, 1 << 20)) return false;
  uint64_t after = (uint64_t)time(NULL);
  EXPECT_OK(sts.get_image_prop_byname(&check->worm, &def, &info));
  EXPECT(info.imo_locked_until + CLOCKS_DIFFER >= before + lsu.lsu_worm_min);
  EXPECT(info.imo_locked_until <= after + lsu.lsu_worm_max + CLOCKS_DIFFER);
  EXPECT_STATUS(sts.delete_image(&check->worm, &def, 0), STS_EWORM_LOCK);
  EXPECT_STATUS(sts.delete_image(&check->worm, &def, 1), STS_EWORM_LOCK);
  return check_compare(check, &check->worm, &def, 1, 1 << 20);
}

static bool incomplete_image(struct check *check) {
  stsp_image_handle_t image;
  sts_image_def_t def = check_def(check, "worm-incomplete");
  EXPECT_OK(sts.create_image(&check->worm, &def, 0, &image));
  if (!check_write(check, image, 1, 0, 1 << 20, 262144)) return false;
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->worm, &def, 0));
  return true;
}

const struct check_entry worm_checks[] = {
    {"a locked image cannot be deleted", locked_image, STS_SRVC_WORM},
    {"an incomplete image is not locked", incomplete_image, STS_SRVC_WORM},
    {NULL, NULL, 0},
};
