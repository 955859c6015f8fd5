/* Writing and closing. */
#include "conformance.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static bool state_while_writing(struct check *check) {
  sts_image_def_t def = check_def(check, "state");
  stsp_image_handle_t image;
  sts_image_info_t info;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT_OK(sts.get_image_prop(image, &info));
  EXPECT((info.imo_flags & STS_II_IMAGE_PENDING) && (info.imo_flags & STS_II_BUSY_WRITE) && info.imo_size == 0);
  EXPECT(check_write(check, image, 1, 0, 3 * MIB, 262144));
  EXPECT_OK(sts.get_image_prop(image, &info));
  EXPECT(info.imo_size == 3 * MIB);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.get_image_prop_byname(&check->lsu, &def, &info));
  EXPECT((info.imo_flags & STS_II_IMAGE_CREATED) && !(info.imo_flags & STS_II_IMAGE_PENDING));
  EXPECT(!(info.imo_flags & STS_II_BUSY_WRITE) && info.imo_size == 3 * MIB);
  EXPECT(strcmp(info.imo_def.img_basename, def.img_basename) == 0);
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool lengths(struct check *check) {
  static const uint32_t sizes[] = {512, 1024, 1536, 32768, 42496, 131072, 262144, 1048576 + 512};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    sts_image_def_t def = check_def(check, "length");
    stsp_image_handle_t image;
    uint64_t size = sizes[i] * UINT64_C(5) < 300000 ? 300032 : sizes[i] * UINT64_C(5);
    EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
    EXPECT(check_write(check, image, 2, 0, size, sizes[i]));
    EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
    EXPECT(check_compare(check, &check->lsu, &def, 2, size));
    EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  }
  return true;
}

static bool empty(struct check *check) {
  sts_image_def_t def = check_def(check, "empty");
  EXPECT(check_make(check, &check->lsu, &def, 1, 0));
  EXPECT(check_compare(check, &check->lsu, &def, 1, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool misaligned(struct check *check) {
  sts_image_def_t def = check_def(check, "misaligned");
  stsp_image_handle_t image;
  static uint8_t bytes[4096];
  uint64_t written = 7;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT_STATUS(sts.write_image(image, NULL, bytes, 511, 0, &written), STS_EINVAL);
  EXPECT(written == 0);
  EXPECT_STATUS(sts.write_image(image, NULL, bytes, 512, 100, &written), STS_EINVAL);
  EXPECT_STATUS(sts.write_image(image, NULL, NULL, 512, 0, &written), STS_EINVAL);
  EXPECT_STATUS(sts.write_image(image, NULL, bytes, 512, UINT64_MAX - 511, &written), STS_EINVAL);
  EXPECT_STATUS(sts.write_image(image, NULL, bytes, UINT64_MAX - 511, 0, &written), STS_EINVAL);
  EXPECT_STATUS(sts.write_image(image, NULL, bytes, 512, 0, NULL), STS_EINVAL);
  EXPECT_OK(sts.write_image(image, NULL, NULL, 0, 0, &written));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool out_of_order(struct check *check) {
  static const unsigned order[] = {3, 1, 0, 2, 7, 6, 5, 4};
  sts_image_def_t def = check_def(check, "order");
  stsp_image_handle_t image;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  for (unsigned i = 0; i < 8; i++) EXPECT(check_write(check, image, 3, order[i] * 98304, 98304, 49152));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->lsu, &def, 3, 8 * 98304));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool rewrite(struct check *check) {
  sts_image_def_t def = check_def(check, "rewrite");
  stsp_image_handle_t image;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  /* Wrong bytes first, then the right ones over them, in overlapping pieces. */
  EXPECT(check_write(check, image, 99, 0, 524288, 262144));
  EXPECT(check_write(check, image, 4, 0, 262144 + 512, 131072));
  EXPECT(check_write(check, image, 4, 131072, 524288 - 131072, 65536));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->lsu, &def, 4, 524288));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

/* Chunks are 256 MiB at most: rewriting the first bytes has to be refused at the latest after that. */
static bool sealed(struct check *check) {
  sts_image_def_t def = check_def(check, "sealed");
  stsp_image_handle_t image;
  static uint8_t block[512];
  uint64_t written, at = 0;
  int status = STS_EOK;
  generate_fill(5, 0, block, sizeof(block));
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  while (status == STS_EOK && at <= 256 * MIB) {
    EXPECT(check_write(check, image, 5, at, 8 * MIB, MIB));
    at += 8 * MIB;
    status = sts.write_image(image, NULL, block, sizeof(block), 0, &written);
  }
  EXPECT(status == STS_EINVAL);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->lsu, &def, 5, at));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool gap(struct check *check) {
  sts_image_def_t def = check_def(check, "gap");
  stsp_image_handle_t image;
  stsp_server_handle_t server;
  sts_cred_t cred = make_cred(check->options);
  EXPECT_OK(sts.open_server(NULL, check->options->server, &cred, NULL, &server));
  sts_lsu_t lsu = make_lsu(server, check->options->lsu);
  EXPECT_OK(sts.create_image(&lsu, &def, 0, &image));
  EXPECT(check_write(check, image, 6, 0, 65536, 65536));
  EXPECT(check_write(check, image, 6, 131072, 65536, 65536));
  EXPECT_STATUS(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL), STS_EINVAL);
  /* The failed close freed the handle: the server closes. */
  EXPECT_STATUS(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.open_image(&lsu, &def, STS_O_READ, &image), STS_ENOENT);
  EXPECT_OK(sts.delete_image(&lsu, &def, 0));
  EXPECT_OK(sts.close_server(server));
  return true;
}

static bool immutable(struct check *check) {
  sts_image_def_t def = check_def(check, "immutable");
  stsp_image_handle_t image;
  EXPECT(check_make(check, &check->lsu, &def, 7, 65536));
  EXPECT(sts.open_image(&check->lsu, &def, STS_O_WRITE, &image) != STS_EOK);
  EXPECT(sts.create_image(&check->lsu, &def, 0, &image) != STS_EOK);
  EXPECT(check_compare(check, &check->lsu, &def, 7, 65536));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

/* The other media server: goes on where the first one stopped, over the stored tail too. */
static bool go_on(struct check *check, const void *argument) {
  const sts_image_def_t *def = argument;
  stsp_image_handle_t image;
  sts_image_info_t info;
  EXPECT_OK(sts.open_image(&check->lsu, def, STS_O_WRITE, &image));
  EXPECT_OK(sts.get_image_prop(image, &info));
  EXPECT(info.imo_size == 5 * MIB + 512 && (info.imo_flags & STS_II_BUSY_WRITE));
  EXPECT(check_write(check, image, 8, 5 * MIB + 512, 3 * MIB, 262144));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  return true;
}

static bool incomplete(struct check *check) {
  sts_image_def_t def = check_def(check, "incomplete");
  stsp_image_handle_t image;
  sts_image_info_t info;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT(check_write(check, image, 8, 0, 5 * MIB + 512, 262144));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.get_image_prop_byname(&check->lsu, &def, &info));
  EXPECT((info.imo_flags & STS_II_IMAGE_PENDING) && !(info.imo_flags & STS_II_BUSY_WRITE));
  EXPECT_STATUS(sts.open_image(&check->lsu, &def, STS_O_READ, &image), STS_ENOENT);
  EXPECT(check_elsewhere(check, go_on, &def));
  EXPECT(check_compare(check, &check->lsu, &def, 8, 8 * MIB + 512));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool untouched_tail(struct check *check) {
  sts_image_def_t def = check_def(check, "tail");
  stsp_image_handle_t image, second;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT(check_write(check, image, 9, 0, MIB + 1536, 131072));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_INCOMPLETE, NULL));
  EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_WRITE, &image));
  EXPECT_STATUS(sts.open_image(&check->lsu, &def, STS_O_WRITE, &second), STS_EBUSY);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->lsu, &def, 9, MIB + 1536));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

static bool flush(struct check *check) {
  sts_image_def_t def = check_def(check, "flush");
  stsp_image_handle_t image;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT_OK(sts.flush(image));
  EXPECT(check_write(check, image, 10, 0, 2 * MIB + 512, 262144));
  EXPECT_OK(sts.flush(image));
  EXPECT(check_write(check, image, 10, 2 * MIB + 512, MIB, 262144));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_STATUS(sts.flush(image), STS_EINVAL);
  EXPECT(check_compare(check, &check->lsu, &def, 10, 3 * MIB + 512));
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

/* Write until the storage's error comes back; how many bytes were taken. */
static bool write_until_refused(struct check *check, stsp_image_handle_t image, int *status) {
  static uint8_t bytes[1 << 20];
  uint64_t at = 0, written;
  /* More than all windows and buffers together hold. */
  for (*status = STS_EOK; *status == STS_EOK && at < 4096 * MIB; at += written) {
    generate_fill(12, at, bytes, sizeof(bytes));
    *status = sts.write_image(image, NULL, bytes, sizeof(bytes), at, &written);
    EXPECT(*status != STS_EOK || written == sizeof(bytes));
  }
  return true;
}

/* The storage fails behind a write that was answered: the next write tells, or the close. */
static bool late_error(struct check *check) {
  stsp_image_handle_t image;
  stsp_server_handle_t server;
  sts_cred_t cred = make_cred(check->options);
  int status;
  EXPECT_OK(sts.open_server(NULL, check->options->server, &cred, NULL, &server));
  sts_lsu_t failing = make_lsu(server, check->options->failing_lsu);
  sts_image_def_t def = check_def(check, "late-error"), small = check_def(check, "late-error-at-close");
  EXPECT_OK(sts.create_image(&failing, &def, 0, &image));
  EXPECT(write_until_refused(check, image, &status));
  EXPECT(status == STS_ENOSPC);
  EXPECT(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL) != STS_EOK);
  EXPECT_STATUS(sts.open_image(&failing, &def, STS_O_READ, &image), STS_ENOENT);
  EXPECT_OK(sts.create_image(&failing, &small, 0, &image));
  EXPECT(check_write(check, image, 13, 0, 65536, 65536));
  EXPECT_STATUS(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL), STS_ENOSPC);
  EXPECT_STATUS(sts.open_image(&failing, &small, STS_O_READ, &image), STS_ENOENT);
  /* The failed closes freed the handles. */
  EXPECT_OK(sts.close_server(server));
  return true;
}

static bool close_flags(struct check *check) {
  sts_image_def_t def = check_def(check, "flags");
  stsp_image_handle_t image;
  sts_close_report_t report;
  EXPECT_OK(sts.create_image(&check->lsu, &def, 0, &image));
  EXPECT_STATUS(sts.close_image(image, 77, NULL), STS_EINVAL);
  EXPECT_STATUS(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL), STS_EINVAL);
  EXPECT_OK(sts.open_image(&check->lsu, &def, STS_O_WRITE, &image));
  EXPECT(check_write(check, image, 1, 0, 512, 512));
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, &report));
  EXPECT(report.cl_report[0] != 0 && strchr(report.cl_report, '\n') == NULL);
  EXPECT_OK(sts.delete_image(&check->lsu, &def, 0));
  return true;
}

const struct check_entry write_checks[] = {
    {"image state and size while writing and after", state_while_writing, 0},
    {"write: any multiple of 512", lengths, 0},
    {"empty image", empty, 0},
    {"write: misaligned, huge and NULL arguments", misaligned, 0},
    {"write: out of order", out_of_order, STS_SRVC_WRITE_IMAGE_RANDOM},
    {"write: overlapping rewrite before hand-over", rewrite, STS_SRVC_WRITE_IMAGE_RANDOM},
    {"write: bytes handed over are refused", sealed, 0},
    {"close complete with a gap fails and frees the handle", gap, 0},
    {"a complete image is never written again", immutable, 0},
    {"close incomplete; another process goes on", incomplete, 0},
    {"a stored tail that nobody touches; one writer at a time", untouched_tail, 0},
    {"flush", flush, 0},
    {"close: unknown flags, report line", close_flags, 0},
    {"late error: told by the next write or by close, never lost", late_error, CHECK_NEEDS_FAILING_LSU},
    {NULL, NULL, 0},
};
