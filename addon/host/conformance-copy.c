/* Copies and events. */
#include "conformance.h"
#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static bool copy(struct check *check) {
  sts_image_def_t source = check_def(check, "source"), target = check_def(check, "target");
  EXPECT(check_make(check, &check->lsu, &source, 50, 3 * MIB + 512));
  EXPECT_OK(sts.copy_image(&check->lsu, &source, &check->lsu, &target));
  EXPECT(check_compare(check, &check->lsu, &target, 50, 3 * MIB + 512));
  EXPECT(sts.copy_image(&check->lsu, &source, &check->lsu, &target) != STS_EOK);
  EXPECT_OK(sts.delete_image(&check->lsu, &target, 0));
  EXPECT_STATUS(sts.copy_image(&check->lsu, &target, &check->lsu, &source), STS_ENOENT);
  EXPECT_OK(sts.copy_image(&check->lsu, &source, &check->second, &target));
  EXPECT(check_compare(check, &check->second, &target, 50, 3 * MIB + 512));
  EXPECT_OK(sts.delete_image(&check->second, &target, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &source, 0));
  return true;
}

static bool async_copy(struct check *check) {
  sts_image_def_t source = check_def(check, "source"), target = check_def(check, "target");
  sts_copy_progress_t progress = {0};
  stsp_opid_t operation;
  EXPECT(check_make(check, &check->lsu, &source, 51, 4 * MIB));
  EXPECT_OK(sts.async_copy_image(&check->lsu, &source, &check->second, &target, 0, &operation));
  for (unsigned i = 0; !progress.cp_done; i++) {
    EXPECT_OK(sts.async_wait(operation, 1000, &progress));
    EXPECT(progress.cp_bytes <= progress.cp_total && i < 600);
  }
  EXPECT(check_compare(check, &check->second, &target, 51, 4 * MIB));
  /* The wait that saw the end forgot the operation. */
  EXPECT_STATUS(sts.async_wait(operation, 0, &progress), STS_ENOENT);
  EXPECT_STATUS(sts.async_cancel(operation), STS_ENOENT);
  EXPECT_STATUS(sts.async_wait(UINT64_MAX, 0, &progress), STS_ENOENT);
  EXPECT_OK(sts.delete_image(&check->second, &target, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &source, 0));
  return true;
}

static bool cancel(struct check *check) {
  sts_image_def_t source = check_def(check, "source"), target = check_def(check, "target");
  sts_copy_progress_t progress = {0};
  stsp_opid_t operation;
  EXPECT(check_make(check, &check->lsu, &source, 52, MIB));
  EXPECT_OK(sts.async_copy_image(&check->lsu, &source, &check->second, &target, 0, &operation));
  EXPECT_OK(sts.async_cancel(operation));
  int status = sts.async_wait(operation, 5000, &progress);
  /* It may have finished before the cancellation came. */
  EXPECT(status == STS_EABORT || (status == STS_EOK && progress.cp_done));
  if (status == STS_EOK) EXPECT_OK(sts.delete_image(&check->second, &target, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &source, 0));
  return true;
}

/* While a copy runs its source cannot be deleted; when the deletion came too late, the copy is whole. */
static bool delete_copied(struct check *check) {
  sts_image_def_t source = check_def(check, "source"), target = check_def(check, "target");
  sts_copy_progress_t progress = {0};
  stsp_opid_t operation;
  EXPECT(check_make(check, &check->lsu, &source, 55, 8 * MIB));
  EXPECT_OK(sts.async_copy_image(&check->lsu, &source, &check->second, &target, 0, &operation));
  int status = sts.delete_image(&check->lsu, &source, 0);
  EXPECT(status == STS_EBUSY || status == STS_EOK);
  while (!progress.cp_done) EXPECT_OK(sts.async_wait(operation, 1000, &progress));
  EXPECT(check_compare(check, &check->second, &target, 55, 8 * MIB));
  if (status == STS_EBUSY) EXPECT(check_compare(check, &check->lsu, &source, 55, 8 * MIB));
  if (status == STS_EBUSY) EXPECT_OK(sts.delete_image(&check->lsu, &source, 0));
  EXPECT_STATUS(sts.delete_image(&check->lsu, &source, 0), STS_ENOENT);
  EXPECT_OK(sts.delete_image(&check->second, &target, 0));
  return true;
}

static bool extent(struct check *check) {
  sts_image_def_t source = check_def(check, "source"), target = check_def(check, "target");
  stsp_image_handle_t from, to;
  uint64_t copied;
  EXPECT(check_make(check, &check->lsu, &source, 53, 4 * MIB));
  EXPECT_OK(sts.open_image(&check->lsu, &source, STS_O_READ, &from));
  EXPECT_OK(sts.create_image(&check->second, &target, 0, &to));
  for (uint64_t at = 0; at < 4 * MIB; at += 262144) {
    EXPECT_OK(sts.copy_extent(to, at, from, at, 262144, &copied));
    EXPECT(copied == 262144);
  }
  EXPECT_STATUS(sts.copy_extent(to, 4 * MIB, from, 4 * MIB, 512, &copied), STS_EINVAL);
  EXPECT_STATUS(sts.copy_extent(from, 0, to, 0, 512, &copied), STS_EINVAL);
  EXPECT_STATUS(sts.copy_extent(to, 0, to, 0, 512, &copied), STS_EINVAL);
  EXPECT_STATUS(sts.copy_extent(NULL, 0, from, 0, 512, &copied), STS_EINVAL);
  EXPECT_OK(sts.close_image(to, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT_OK(sts.close_image(from, STS_CLOSEF_IH_COMPLETE, NULL));
  EXPECT(check_compare(check, &check->second, &target, 53, 4 * MIB));
  EXPECT_OK(sts.delete_image(&check->second, &target, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &source, 0));
  return true;
}

static bool events(struct check *check) {
  sts_image_def_t source = check_def(check, "source"), target = check_def(check, "target");
  stsp_evchannel_handle_t channel;
  sts_copy_progress_t progress = {0};
  sts_event_t event;
  stsp_opid_t operation;
  uint64_t last = 0;
  bool found = false;
  int status;
  EXPECT(check_make(check, &check->lsu, &source, 54, 65536));
  EXPECT_OK(sts.async_copy_image(&check->lsu, &source, &check->second, &target, STS_COPYF_EVENT, &operation));
  while (!progress.cp_done) EXPECT_OK(sts.async_wait(operation, 1000, &progress));
  EXPECT_OK(sts.open_evchannel(check->server, 0, &channel));
  while (!found && (status = sts.get_event(channel, 1000, &event)) == STS_EOK) {
    EXPECT(event.ev_sequence > last);
    last = event.ev_sequence;
    found = event.ev_type == STS_EVT_IMG_REP && strcmp(event.ev_image.img_basename, target.img_basename) == 0;
  }
  EXPECT(found);
  char payload[STS_MAX_CONFIG];
  uint32_t length = sizeof(payload);
  EXPECT_OK(sts.get_event_payload(channel, &event, payload, &length));
  EXPECT(length == event.ev_payload);
  event.ev_sequence = UINT64_MAX - 1;
  EXPECT_STATUS(sts.get_event_payload(channel, &event, payload, &length), STS_ENOENT);
  EXPECT_OK(sts.close_evchannel(channel));
  EXPECT_STATUS(sts.get_event(channel, 0, &event), STS_EINVAL);
  /* A channel that begins after the last event has none. */
  EXPECT_OK(sts.open_evchannel(check->server, UINT64_MAX - 1, &channel));
  EXPECT_STATUS(sts.get_event(channel, 0, &event), STS_ENOENT);
  EXPECT_OK(sts.close_evchannel(channel));
  EXPECT_OK(sts.delete_image(&check->second, &target, 0));
  EXPECT_OK(sts.delete_image(&check->lsu, &source, 0));
  return true;
}

const struct check_entry copy_checks[] = {
    {"copy_image inside and across LSUs", copy, STS_SRVC_COPY_IMAGE},
    {"async copy: progress, end, forgotten operation", async_copy, STS_SRVC_ASYNC_COPY},
    {"async copy: cancel", cancel, STS_SRVC_ASYNC_COPY},
    {"delete: busy while copied", delete_copied, STS_SRVC_ASYNC_COPY},
    {"copy_extent", extent, STS_SRVC_COPY_EXTENT},
    {"events: sequence, payload, empty channel", events, STS_SRVC_EVENTS | STS_SRVC_ASYNC_COPY},
    {NULL, NULL, 0},
};
