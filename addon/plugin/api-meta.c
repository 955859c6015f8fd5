/* stsp_write_image_meta, stsp_read_image_meta: blobs travel through one slot, borrowed for the call. */
#include "call.h"
#include <string.h>

static void meta_orphan(struct session *session, struct request *request, bool lost) {
  (void)lost;
  session_give_slot(session, request->slot);
}

/* Send a request that uses a slot and wait; the lock is held. The slot goes back, now or with the answer,
   unless the answer came and was good: then it is still the caller's. */
static int exchange(struct session *session, uint16_t type, const void *message, uint32_t slot,
                    struct request **request, struct failure *failure) {
  *request = request_start(session, type, message, failure);
  if (*request == NULL) {
    session_give_slot(session, slot);
    return failure->status;
  }
  (*request)->slot = slot;
  int status = request_wait(session, *request, clock_now() + session->config->data_timeout_ms, failure);
  if (status == STS_EOK) return STS_EOK;
  if ((*request)->done) session_give_slot(session, slot);
  request_end(session, *request, meta_orphan);
  return status;
}

static int take_slot(struct session *session, struct image *image, uint32_t length, uint32_t *slot,
                     struct failure *failure) {
  if (image->failed.status != STS_EOK) {
    *failure = image->failed;
    return failure->status;
  }
  return image_wait_slot(session, image, length, clock_now() + session->config->data_timeout_ms, slot, failure);
}

static int check_index(struct call *call, uint32_t index) {
  if (index < WIRE_MAX_META_INDEX) return STS_EOK;
  return fail(&call->failure, STS_EINVAL, "blob numbers end at %d", WIRE_MAX_META_INDEX - 1);
}

static int write_meta(struct call *call, uint32_t index, const void *buffer, uint32_t length) {
  struct session *session = runtime.session;
  struct image *image = call->object;
  if (buffer == NULL && length > 0) return fail(&call->failure, STS_EINVAL, "the buffer is NULL");
  if (image->mode != WIRE_MODE_WRITE) return fail(&call->failure, STS_EINVAL, "the image is open for reading");
  if (length > WIRE_MAX_META || length > session->slots.layout.slot_bytes)
    return fail(&call->failure, STS_EINVAL, "a blob of %u bytes is too long", length);
  uint32_t slot;
  struct request *request;
  pthread_mutex_lock(&session->lock);
  int status = take_slot(session, image, length, &slot, &call->failure);
  if (status == STS_EOK) {
    pthread_mutex_unlock(&session->lock);
    if (length > 0) memcpy(slots_address(&session->slots, slot), buffer, length);
    pthread_mutex_lock(&session->lock);
    slots_touched(&session->slots, slot, length);
    struct wire_meta_write message = {image->handle, index, slot, length};
    status = exchange(session, WIRE_TYPE_META_WRITE, &message, slot, &request, &call->failure);
    if (status == STS_EOK) {
      session_give_slot(session, slot);
      request_end(session, request, NULL);
    }
  }
  pthread_mutex_unlock(&session->lock);
  return status;
}

EXPORT int stsp_write_image_meta(stsp_image_handle_t handle, uint32_t index, const void *buffer,
                                 uint32_t length) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_IMAGE, handle);
  if (status == STS_EOK) status = check_index(&call, index);
  if (status == STS_EOK) status = write_meta(&call, index, buffer, length);
  return call_end(&call, status);
}

static int read_meta(struct call *call, uint32_t index, void *buffer, uint32_t *length) {
  struct session *session = runtime.session;
  struct image *image = call->object;
  if (length == NULL || (buffer == NULL && *length > 0))
    return fail(&call->failure, STS_EINVAL, "no room for the blob");
  uint32_t slot;
  struct request *request;
  pthread_mutex_lock(&session->lock);
  int status = take_slot(session, image, WIRE_MAX_META, &slot, &call->failure);
  if (status == STS_EOK) {
    struct wire_meta_read message = {image->handle, index, slot};
    status = exchange(session, WIRE_TYPE_META_READ, &message, slot, &request, &call->failure);
  }
  if (status == STS_EOK) {
    uint32_t found = request->message.meta_length.length;
    request_end(session, request, NULL);
    if (found > session->slots.layout.slot_bytes) {
      status = fail(&call->failure, STS_EPLUGIN, "the engine says that the blob is longer than its slot");
    } else if (found > *length) {
      *length = found;
      status = fail(&call->failure, STS_EINVAL, "the blob needs %u bytes", found);
    } else {
      slots_touched(&session->slots, slot, found);
      pthread_mutex_unlock(&session->lock);
      if (found > 0) memcpy(buffer, slots_address(&session->slots, slot), found);
      pthread_mutex_lock(&session->lock);
      *length = found;
    }
    session_give_slot(session, slot);
  }
  pthread_mutex_unlock(&session->lock);
  return status;
}

EXPORT int stsp_read_image_meta(stsp_image_handle_t handle, uint32_t index, void *buffer, uint32_t *length) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_IMAGE, handle);
  if (status == STS_EOK) status = check_index(&call, index);
  if (status == STS_EOK) status = read_meta(&call, index, buffer, length);
  return call_end(&call, status);
}
