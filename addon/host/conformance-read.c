/* Reading, metadata blobs. */
#include "conformance.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static bool sizes(struct check *check) {
  static const uint32_t buffers[] = {512, 1024, 42496, 131072, 262144, 1048576};
  sts_image_def_t def = check_def(check, "read");
  stsp_image_handle_t image;
  EXPECT(check_make(check, &check->lsu, &def, 40, 5 * MIB + 1024));
  for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
    EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_READ, &image));
    EXPECT(check_read(check, image, 40, 0, 5 * MIB + 1024, buffers[i]));
    EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  }
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool end_of_image(struct check *check) {
  sts_image_def_t def = check_def(check, "end");
  stsp_image_handle_t image;
  static uint8_t bytes[8192];
  uint64_t got = 99;
  EXPECT(check_make(check, &check->lsu, &def, 41, MIB + 1024));
  EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_READ, &image));
  EXPECT_OK(sts.read_image(image, bytes, sizeof(bytes), MIB, &got));
  EXPECT(got == 1024);
  EXPECT_OK(sts.read_image(image, bytes, sizeof(bytes), MIB + 1024, &got));
  EXPECT(got == 0);
  EXPECT_OK(sts.read_image(image, bytes, sizeof(bytes), UINT64_MAX - 511, &got));
  EXPECT(got == 0);
  EXPECT_STATUS(sts.read_image(image, NULL, 512, 0, &got), STS_EINVAL);
  EXPECT_STATUS(sts.read_image(image, bytes, 512, 0, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.write_image(image, NULL, bytes, 512, 0, &got), STS_EINVAL);
  EXPECT_STATUS(sts.flush(image), STS_EINVAL);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

/* Accelerator: scattered reads of the old image while the new one is written. */
static bool scattered(struct check *check) {
  sts_image_def_t old_def = check_def(check, "old"), new_def = check_def(check, "new");
  stsp_image_handle_t old_image, new_image;
  uint32_t state = 7;
  EXPECT(check_make(check, &check->lsu, &old_def, 42, 9 * MIB));
  EXPECT_OK(sts.open_image(&check->lsu, &old_def, STS_O_READ, &old_image));
  EXPECT_OK(sts.create_image(&check->lsu, &new_def, 0, &new_image));
  for (unsigned i = 0; i < 72; i++) {
    EXPECT(check_write(check, new_image, 43, i * UINT64_C(131072), 131072, 131072));
    for (unsigned k = 0; k < 6; k++) {
      uint32_t blocks = 1 + next_random(&state) % 256;
      uint64_t offset = next_random(&state) % (9 * MIB / 512 - blocks) * UINT64_C(512);
      EXPECT(check_read(check, old_image, 42, offset, blocks * UINT64_C(512), blocks * UINT64_C(512)));
    }
  }
  EXPECT_OK(sts.close_image(new_image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.close_image(old_image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->lsu, &new_def, 43, 9 * MIB));
  EXPECT_OK(sts.delete_image(&check->lsu, &old_def, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &new_def, 0));
  return true;
}

static bool backwards(struct check *check) {
  sts_image_def_t def = check_def(check, "backwards");
  stsp_image_handle_t image;
  EXPECT(check_make(check, &check->lsu, &def, 44, 6 * MIB));
  EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_READ, &image));
  for (unsigned i = 24; i-- > 0;) EXPECT(check_read(check, image, 44, i * UINT64_C(262144), 262144, 262144));
  EXPECT(check_read(check, image, 44, 0, 3 * MIB, 262144));
  EXPECT(check_read(check, image, 44, MIB, 3 * MIB, 65536));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

/* What there is of the memory that is shared with the engine, bytes. */
static uint64_t shared_bytes(void) {
  uint64_t bytes = 0;
  for (int fd = 0; fd < 1024; fd++) {
    char link[32], target[64] = "";
    struct stat file;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (readlink(link, target, sizeof(target) - 1) < 0 || strstr(target, "memfd:vast-ost") == NULL) continue;
    if (fstat(fd, &file) == 0) bytes += (uint64_t)file.st_blocks * 512;
  }
  return bytes;
}

/* Ranges that were read ahead and that nobody came for leave no more memory behind than ones that were read. */
static bool closed_early(struct check *check) {
  sts_image_def_t def = check_def(check, "closed-early");
  stsp_image_handle_t image;
  /* Whole ranges, of 1 to 16 MiB: the slots that stay warm are then as warm each time. */
  EXPECT(check_make(check, &check->lsu, &def, 46, 48 * MIB));
  EXPECT(check_compare(check, &check->lsu, &def, 46, 48 * MIB));
  uint64_t kept = shared_bytes();
  EXPECT(kept > 0);
  for (unsigned i = 0; i < 4; i++) {
    EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_READ, &image));
    EXPECT(check_read(check, image, 46, 0, MIB, 65536));
    EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
    EXPECT(shared_bytes() <= kept);
  }
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool meta(struct check *check) {
  static const uint32_t lengths[] = {0, 1, 513, 65536, 1 << 20};
  sts_image_def_t def = check_def(check, "meta");
  stsp_image_handle_t image;
  uint8_t *blob = malloc(STS_MAX_META), *found = malloc(STS_MAX_META);
  EXPECT(blob != NULL && found != NULL);
  generate_fill(45, 0, blob, STS_MAX_META);
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  for (uint32_t i = 0; i < 5; i++) EXPECT_OK(sts.write_image_meta(image, i, blob, lengths[i]));
  /* 16 MiB where the slots are large enough, else refused. */
  int large = sts.write_image_meta(image, 5, blob, STS_MAX_META);
  EXPECT(large == STS_EOK || large == STS_EINVAL);
  EXPECT_STATUS(sts.write_image_meta(image, 6, blob, STS_MAX_META + 1), STS_EINVAL);
  EXPECT_STATUS(sts.write_image_meta(image, 64, blob, 1), STS_EINVAL);
  EXPECT_STATUS(sts.write_image_meta(image, 6, NULL, 1), STS_EINVAL);
  EXPECT(check_write(check, image, 45, 0, 1024, 1024));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_READ, &image));
  for (uint32_t i = 0; i < 5 + (large == STS_EOK); i++) {
    uint32_t want = i < 5 ? lengths[i] : STS_MAX_META, length = STS_MAX_META;
    EXPECT_OK(sts.read_image_meta(image, i, found, &length));
    EXPECT(length == want && memcmp(found, blob, want) == 0);
  }
  uint32_t small = 512;
  EXPECT_STATUS(sts.read_image_meta(image, 2, found, &small), STS_EINVAL);
  EXPECT(small == 513);
  EXPECT_STATUS(sts.read_image_meta(image, 63, found, &small), STS_ENOENT);
  EXPECT_STATUS(sts.write_image_meta(image, 0, blob, 1), STS_EINVAL);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  free(blob);
  free(found);
  return true;
}

const struct check_entry read_checks[] = {
    {"read: any buffer size", sizes, 0},
    {"read: end of the image, wrong mode, NULL", end_of_image, 0},
    {"scattered reads of an old image while a new one is written", scattered, 0},
    {"read: backwards, forwards again", backwards, 0},
    {"read: closed early, the memory goes back", closed_early, 0},
    {"metadata blobs of 0 B to 16 MB", meta, STS_SRVC_IMAGE_META},
    {NULL, NULL, 0},
};
