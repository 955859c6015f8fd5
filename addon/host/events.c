/* events: what a storage server has to tell. */
#include "host.h"
#include <inttypes.h>
#include <stdio.h>

/* Longest payload that an engine sends. */
#define MAX_PAYLOAD (64u << 10)

static const char *name_of(uint32_t type) {
  switch (type) {
  case STS_EVT_IMG_REP: return "image-copied";
  case STS_EVT_LSU: return "lsu";
  case STS_EVT_IMG_DEL: return "image-deleted";
  case STS_EVT_IMG_NEW: return "image-complete";
  case STS_EVT_SPACE: return "capacity";
  default: return "server";
  }
}

static int print_event(stsp_evchannel_handle_t channel, const sts_event_t *event) {
  static char payload[MAX_PAYLOAD];
  uint32_t length = sizeof(payload);
  int status = sts.get_event_payload(channel, event, payload, &length);
  if (status != STS_EOK) return complain("stsp_get_event_payload", status);
  printf("%" PRIu64 "\t%s\t%s\t%s\t%.*s\n", event->ev_sequence, name_of(event->ev_type), event->ev_lsu,
         event->ev_image.img_basename, (int)length, payload);
  fflush(stdout);
  return EXIT_OK;
}

int command_events(const struct options *options) {
  stsp_server_handle_t server = open_session(options);
  stsp_evchannel_handle_t channel;
  int status = sts.open_evchannel(server, options->after, &channel);
  int code = status == STS_EOK ? EXIT_OK : complain("stsp_open_evchannel", status);
  if (code == EXIT_OK) {
    sts_event_t event;
    while (code == EXIT_OK && (status = sts.get_event(channel, options->interval_ms, &event)) == STS_EOK)
      code = print_event(channel, &event);
    if (status != STS_EOK && status != STS_ENOENT) code = complain("stsp_get_event", status);
    status = sts.close_evchannel(channel);
    if (code == EXIT_OK && status != STS_EOK) code = complain("stsp_close_evchannel", status);
  }
  close_session(server);
  return code;
}
