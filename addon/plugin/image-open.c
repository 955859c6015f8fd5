/* The begin and the end of an open image. */
#include "image.h"
#include <stdio.h>
#include <string.h>

static void close_orphan(struct session *session, struct request *request, bool lost) {
  (void)lost;
  image_free(session, request->image);
}

/* Tell the engine to forget the handle; the image is freed when the answer came or the connection ended. */
static void abandon(struct session *session, struct image *image) {
  struct failure ignored = {0};
  struct wire_image_close message = {
      image->handle, image->mode == WIRE_MODE_READ ? WIRE_CLOSE_READ : WIRE_CLOSE_ABANDON, image->size};
  struct request *request = request_start(session, WIRE_TYPE_IMAGE_CLOSE, &message, &ignored);
  image->opened = false;
  if (request == NULL) {
    /* Not even memory for a message: end the connection, which ends the handle too. */
    session_lost(session, STS_ENOMEM, "no memory to close an image");
    image_free(session, image);
    return;
  }
  request->image = image;
  request->transient = true;
  request_end(session, request, close_orphan);
}

/* The late answer to a create or open that nobody waits for. */
static void open_orphan(struct session *session, struct request *request, bool lost) {
  if (!lost && request->result == WIRE_OK)
    abandon(session, request->image);
  else
    image_free(session, request->image);
}

static bool take_opened(struct session *session, struct image *image, const struct wire_image_opened *opened) {
  image->info = opened->info;
  if (image->mode == WIRE_MODE_READ) {
    image->chunk_bytes = opened->chunk_bytes <= session->slots.layout.slot_bytes ? opened->chunk_bytes : 0;
    return true;
  }
  if (opened->chunk_bytes == 0 || opened->chunk_bytes > session->slots.layout.slot_bytes ||
      opened->chunk_bytes % (1u << 20) != 0 || opened->window < 2 || opened->info.size > INT64_MAX ||
      opened->first_chunk != opened->info.size / opened->chunk_bytes)
    return false;
  image->chunk_bytes = opened->chunk_bytes;
  image->window = opened->window < WIRE_MAX_IMAGE_SLOTS ? opened->window : WIRE_MAX_IMAGE_SLOTS;
  image->low = opened->first_chunk;
  image->kept = image->size = opened->info.size;
  return true;
}

static struct request *start_open(struct session *session, struct image *image, uint32_t flags, bool create,
                                  struct failure *failure) {
  if (create) {
    struct wire_image_create message = {.handle = image->handle,
                                        .server = image->server,
                                        .lsu = wire_text(image->lsu),
                                        .id = image_wire_id(&image->def),
                                        .flags = flags,
                                        .journal = image->journal};
    return request_start(session, WIRE_TYPE_IMAGE_CREATE, &message, failure);
  }
  struct wire_image_open message = {.handle = image->handle,
                                    .server = image->server,
                                    .lsu = wire_text(image->lsu),
                                    .id = image_wire_id(&image->def),
                                    .mode = image->mode,
                                    .journal = image->journal};
  return request_start(session, WIRE_TYPE_IMAGE_OPEN, &message, failure);
}

int image_open(struct session *session, struct image *image, uint32_t flags, bool create,
               struct failure *failure) {
  pthread_mutex_lock(&session->lock);
  struct request *request = NULL;
  int status = slots_map(&session->slots, failure);
  if (status == STS_EOK && image->mode == WIRE_MODE_WRITE) {
    image->journal = slots_take_journal(&session->slots);
    if (image->journal == SLOT_NONE)
      status = fail(failure, STS_ECONNECT, "this process has too many images open for writing");
  }
  if (status == STS_EOK) {
    request = start_open(session, image, flags, create, failure);
    if (request == NULL) status = failure->status;
  }
  if (request == NULL) {
    image_free(session, image);
    pthread_mutex_unlock(&session->lock);
    return status;
  }
  request->image = image;
  status = request_wait(session, request, clock_now() + session->config->call_timeout_ms, failure);
  if (status != STS_EOK) {
    bool free_now = request->done;
    request_end(session, request, open_orphan);
    if (free_now) image_free(session, image);
  } else {
    bool good = take_opened(session, image, &request->message.image_opened);
    request_end(session, request, NULL);
    image->opened = true;
    if (!good) {
      abandon(session, image);
      status = fail(failure, STS_EPLUGIN, "the engine opened the image with sizes that break the protocol");
    }
  }
  pthread_mutex_unlock(&session->lock);
  return status;
}

int image_flush(struct session *session, struct image *image, struct failure *failure) {
  int status = STS_EOK;
  pthread_mutex_lock(&session->lock);
  session_poll(session);
  if (image->failed.status == STS_EOK && image->handed_over) {
    struct wire_image message = {image->handle};
    struct request *request = request_start(session, WIRE_TYPE_IMAGE_FLUSH, &message, failure);
    if (request == NULL)
      status = failure->status;
    else {
      status = request_wait(session, request, clock_now() + session->config->data_timeout_ms, failure);
      request_end(session, request, NULL);
    }
  }
  if (image->failed.status != STS_EOK) {
    *failure = image->failed;
    status = failure->status;
  }
  pthread_mutex_unlock(&session->lock);
  return status;
}

/* Wait for nothing that the host no longer needs. */
static void end_slot_requests(struct session *session, struct image *image) {
  for (struct slot *slot = image->slots, *next; slot != NULL; slot = next) {
    next = slot->next;
    if (slot->request != NULL) image_slot_abandon(session, image, slot);
  }
}

int image_close(struct session *session, struct image *image, uint32_t mode, char *report, size_t space,
                struct failure *failure) {
  pthread_mutex_lock(&session->lock);
  session_poll(session);
  uint64_t size = 0;
  int status = STS_EOK;
  if (mode != WIRE_CLOSE_READ) status = image_finish_writing(session, image, &mode, &size, failure);
  struct wire_image_close message = {image->handle, mode, size};
  struct failure closing = {0};
  struct request *request = request_start(session, WIRE_TYPE_IMAGE_CLOSE, &message, &closing);
  end_slot_requests(session, image);
  if (request == NULL) {
    image->size = size;
    abandon(session, image);
    if (status == STS_EOK) *failure = closing;
    pthread_mutex_unlock(&session->lock);
    return failure->status;
  }
  request->image = image;
  int closed = STS_EOK;
  /* An image that failed because the engine is gone has nothing to wait for. */
  if (session->state == SESSION_UP || !session->gave_up)
    closed = request_wait(session, request, clock_now() + session->config->data_timeout_ms, &closing);
  if (request->done && request->result == WIRE_OK)
    wire_copy_text(request->message.image_closed.report, report, space);
  bool answered = request->done;
  request_end(session, request, close_orphan);
  if (status == STS_EOK && image->failed.status != STS_EOK) {
    *failure = image->failed;
    status = failure->status;
  }
  if (status == STS_EOK && closed != STS_EOK) {
    *failure = closing;
    status = closed;
  }
  if (answered)
    image_free(session, image);
  else
    image->opened = false;
  pthread_mutex_unlock(&session->lock);
  return status;
}
