/* stsp_open_evchannel, stsp_get_event, stsp_get_event_payload, stsp_close_evchannel */
#include "call.h"
#include "lists.h"
#include <stdlib.h>
#include <string.h>

EXPORT int stsp_open_evchannel(stsp_server_handle_t server, uint64_t after, stsp_evchannel_handle_t *channel) {
  struct call call;
  void *handle = NULL;
  int status = call_begin_with(&call, __func__, HANDLE_SERVER, server);
  if (status == STS_EOK && channel == NULL) status = fail(&call.failure, STS_EINVAL, "no room for the handle");
  if (status != STS_EOK) return call_end(&call, status);
  struct channel *made = calloc(1, sizeof(*made));
  if (made == NULL) return call_end(&call, fail(&call.failure, STS_ENOMEM, "no memory for a channel"));
  made->server = ((struct server *)call.object)->number;
  made->server_handle = server;
  made->after = after;
  status = call_register(&call, HANDLE_CHANNEL, made, &handle);
  if (status != STS_EOK) {
    free(made);
    return call_end(&call, status);
  }
  registry_child(&runtime.registry, server, 1);
  *channel = handle;
  return call_end(&call, STS_EOK);
}

static int fetch(struct call *call, struct channel *channel, uint32_t timeout_ms) {
  struct session *session = runtime.session;
  if (channel->page != NULL) session_done(session, channel->page);
  channel->page = NULL;
  struct wire_event_get message = {channel->server, channel->after, timeout_ms, WIRE_MAX_EVENTS};
  int status = session_call(session, WIRE_TYPE_EVENT_GET, &message, timeout_ms + runtime.config.call_timeout_ms,
                            &channel->page, &call->failure);
  if (status != STS_EOK) {
    channel->page = NULL;
    return status;
  }
  channel->events = channel->page->message.event_page.events;
  return STS_EOK;
}

static uint32_t event_type(uint32_t wire) {
  switch (wire) {
  case WIRE_EVENT_IMAGE_COPIED: return STS_EVT_IMG_REP;
  case WIRE_EVENT_LSU_CHANGED: return STS_EVT_LSU;
  case WIRE_EVENT_IMAGE_DELETED: return STS_EVT_IMG_DEL;
  case WIRE_EVENT_IMAGE_COMPLETED: return STS_EVT_IMG_NEW;
  case WIRE_EVENT_CAPACITY: return STS_EVT_SPACE;
  default: return STS_EVT_SERVER; /* also what a newer engine may tell */
  }
}

static int get_event(struct call *call, uint32_t timeout_ms, sts_event_t *event) {
  struct channel *channel = call->object;
  struct wire_event found;
  if (event == NULL) return fail(&call->failure, STS_EINVAL, "no room for the event");
  if (timeout_ms > 3600000) timeout_ms = 3600000;
  if (channel->page == NULL || !wire_list_next(&channel->events, &wire_group_event, &found)) {
    int status = fetch(call, channel, timeout_ms);
    if (status != STS_EOK) return status;
    if (!wire_list_next(&channel->events, &wire_group_event, &found))
      return fail(&call->failure, STS_ENOENT, "no event");
  }
  if (found.sequence <= channel->after)
    return fail(&call->failure, STS_EPLUGIN, "the engine repeated an event that was asked for no more");
  channel->after = found.sequence;
  memset(event, 0, sizeof(*event));
  event->ev_sequence = found.sequence;
  event->ev_time = found.time;
  event->ev_type = event_type(found.type);
  event->ev_payload = found.payload_bytes;
  wire_copy_text(found.lsu, event->ev_lsu, sizeof(event->ev_lsu));
  export_id(&found.image, &event->ev_image);
  return STS_EOK;
}

EXPORT int stsp_get_event(stsp_evchannel_handle_t channel, uint32_t timeout_ms, sts_event_t *event) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_CHANNEL, channel);
  if (status == STS_EOK) status = get_event(&call, timeout_ms, event);
  return call_end(&call, status);
}

static int get_payload(struct call *call, const sts_event_t *event, void *buffer, uint32_t *length) {
  const struct channel *channel = call->object;
  struct request *request;
  if (event == NULL || length == NULL || (buffer == NULL && *length > 0))
    return fail(&call->failure, STS_EINVAL, "no event, or no room for its payload");
  struct wire_event_payload message = {channel->server, event->ev_sequence};
  int status = session_call(runtime.session, WIRE_TYPE_EVENT_PAYLOAD, &message, runtime.config.call_timeout_ms,
                            &request, &call->failure);
  if (status != STS_EOK) return status;
  struct wire_bytes data = request->message.event_data.data;
  if (data.length > *length)
    status = fail(&call->failure, STS_EINVAL, "the payload needs %u bytes", data.length);
  else if (data.length > 0)
    memcpy(buffer, data.data, data.length);
  *length = data.length;
  session_done(runtime.session, request);
  return status;
}

EXPORT int stsp_get_event_payload(stsp_evchannel_handle_t channel, const sts_event_t *event, void *buffer,
                                  uint32_t *length) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_CHANNEL, channel);
  if (status == STS_EOK) status = get_payload(&call, event, buffer, length);
  return call_end(&call, status);
}

EXPORT int stsp_close_evchannel(stsp_evchannel_handle_t channel) {
  return close_simple(__func__, HANDLE_CHANNEL, channel);
}
