/* Requests: sent, waited for, answered, given up. */
#include "image.h"
#include "session.h"
#include "status.h"
#include "stspi.h"
#include <stdlib.h>
#include <string.h>

#define MAX_REQUESTS 1024

static void free_request(struct request *request) {
  explicit_bzero(request->frame, request->length);
  free(request->frame);
  free(request->answer);
  free(request);
}

static void unlink_request(struct session *session, struct request *request) {
  struct request **link = &session->requests;
  while (*link != request) link = &(*link)->next;
  *link = request->next;
  if (session->requests_end == &request->next) session->requests_end = link;
  session->request_count--;
}

static uint32_t fresh_id(struct session *session) {
  for (;;) {
    uint32_t id = session->next_id++;
    bool used = id == 0;
    for (struct request *other = session->requests; !used && other != NULL; other = other->next)
      used = other->id == id;
    if (!used) return id;
  }
}

void request_adopt(struct session *session, struct request *request, uint16_t type, uint8_t *frame,
                   size_t length) {
  uint32_t id = fresh_id(session);
  for (unsigned i = 0; i < 4; i++) frame[8 + i] = (uint8_t)(id >> (8 * i));
  *request = (struct request){.id = id, .type = type, .frame = frame, .length = length, .slot = SLOT_NONE};
  *session->requests_end = request;
  session->requests_end = &request->next;
  session->request_count++;
}

struct request *request_start(struct session *session, uint16_t type, const void *message,
                              struct failure *failure) {
  struct request *request = NULL;
  uint8_t *frame = malloc(WIRE_MAX_FRAME);
  size_t length = 0;
  if (session->request_count >= MAX_REQUESTS) {
    fail(failure, STS_EAGAIN, "too many calls at once");
  } else if (frame == NULL || (request = calloc(1, sizeof(*request))) == NULL) {
    fail(failure, STS_ENOMEM, "no memory for a request");
  } else if ((length = wire_encode(frame, WIRE_MAX_FRAME, type, 0, 1, message)) == 0) {
    fail(failure, STS_EINVAL, "an argument is longer than the engine takes");
  }
  if (length == 0) {
    free(frame);
    free(request);
    return NULL;
  }
  uint8_t *shrunk = realloc(frame, length);
  request_adopt(session, request, type, shrunk != NULL ? shrunk : frame, length);
  session_send(session, request->frame, length);
  return request;
}

static bool request_ready(void *argument) {
  return ((struct request *)argument)->done;
}

int request_result(const struct request *request, struct failure *failure) {
  if (request->result == WIRE_OK) return STS_EOK;
  return fail(failure, status_of_result(request->result), "%s", request->cause);
}

int request_wait(struct session *session, struct request *request, uint64_t deadline, struct failure *failure) {
  int status = session_wait(session, request_ready, request, deadline, failure);
  return status != STS_EOK ? status : request_result(request, failure);
}

static void drop_answer(struct session *session, struct request *request, bool lost) {
  (void)session;
  (void)request;
  (void)lost;
}

void request_end(struct session *session, struct request *request,
                 void (*orphan)(struct session *, struct request *, bool lost)) {
  if (!request->done) {
    request->orphan = orphan != NULL ? orphan : drop_answer;
    return;
  }
  unlink_request(session, request);
  free_request(request);
}

void session_drop_orphans(struct session *session) {
  for (struct request *request = session->requests, *next; request != NULL; request = next) {
    next = request->next;
    if (request->orphan == NULL) continue;
    unlink_request(session, request);
    request->orphan(session, request, true);
    free_request(request);
  }
}

/* ---- dispatch ---- */
static bool take_answer(struct session *session, const uint8_t *frame, size_t length) {
  struct wire_header header;
  if (wire_header_read(frame, &header) != WIRE_DECODE_OK) return false;
  struct request *request = session->requests;
  while (request != NULL && request->id != header.id) request = request->next;
  /* An answer to a request that nobody knows any more, or to another one than was sent. */
  if (request == NULL || request->done || header.type != (request->type | WIRE_ANSWER)) return false;
  uint8_t *copy = malloc(length);
  if (copy == NULL) return false;
  memcpy(copy, frame, length);
  const struct wire_group *group;
  union wire_any message;
  if (wire_decode(copy, length, &header, &group, &message, sizeof(message)) != WIRE_DECODE_OK) {
    free(copy);
    return false;
  }
  request->answer = copy;
  request->message = message;
  if ((header.flags & WIRE_FLAG_ERROR) != 0) {
    request->result = message.error.result == WIRE_OK ? WIRE_INTERNAL : message.error.result;
    request->detail = message.error.detail;
    wire_copy_text(message.error.cause, request->cause, sizeof(request->cause));
  }
  request->done = true;
  if (request->orphan != NULL) {
    unlink_request(session, request);
    request->orphan(session, request, false);
    free_request(request);
  }
  return true;
}

static bool take_notice(struct session *session, const uint8_t *frame, size_t length) {
  struct wire_header header;
  const struct wire_group *group;
  union wire_any message;
  if (wire_decode(frame, length, &header, &group, &message, sizeof(message)) != WIRE_DECODE_OK) return false;
  if (header.type == WIRE_TYPE_SLOT_FREE)
    return image_slot_freed(session, message.slot.handle, message.slot.slot);
  if (header.type != WIRE_TYPE_IMAGE_ERROR) return false;
  struct image *image = image_find(session, message.image_error.handle);
  if (image == NULL) return true;
  char cause[WIRE_MAX_CAUSE + 1];
  wire_copy_text(message.image_error.cause, cause, sizeof(cause));
  image_fail(image, status_of_result(message.image_error.result), cause);
  return true;
}

bool session_dispatch(struct session *session) {
  size_t at = 0;
  bool good = true;
  while (good && session->in_length - at >= WIRE_HEADER_BYTES) {
    struct wire_header header;
    good = wire_header_read(session->in + at, &header) == WIRE_DECODE_OK;
    if (!good || session->in_length - at < header.length) break;
    good = header.id == 0 ? take_notice(session, session->in + at, header.length)
                          : take_answer(session, session->in + at, header.length);
    /* An orphan may have sent a notice and found the connection broken: what is left is void. */
    if (session->state != SESSION_UP) return true;
    at += header.length;
  }
  session->in_length -= at;
  memmove(session->in, session->in + at, session->in_length);
  if (good && at > 0) session->bad_frames = 0;
  return good;
}

/* ---- whole exchanges ---- */
int session_call(struct session *session, uint16_t type, const void *message, uint32_t timeout_ms,
                 struct request **request, struct failure *failure) {
  pthread_mutex_lock(&session->lock);
  int status;
  *request = request_start(session, type, message, failure);
  if (*request == NULL) {
    status = failure->status;
  } else {
    status = request_wait(session, *request, clock_now() + timeout_ms, failure);
    if (status != STS_EOK) request_end(session, *request, NULL);
  }
  pthread_mutex_unlock(&session->lock);
  return status;
}

void session_done(struct session *session, struct request *request) {
  pthread_mutex_lock(&session->lock);
  request_end(session, request, NULL);
  pthread_mutex_unlock(&session->lock);
}
