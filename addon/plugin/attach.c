/* After a reconnect: say again what the engine must know. docs/engine-protocol.md, section 5.3. */
#include "image.h"
#include "session.h"
#include "stspi.h"
#include <stdlib.h>
#include <string.h>

static void send_again(struct session *session, uint8_t *frame, size_t length) {
  frame[6] |= WIRE_FLAG_RESEND;
  session_send(session, frame, length);
}

/* The answers to announcements are not waited for: a server that cannot be opened again makes every later
   call that needs it fail with the engine's cause. */
static void announce_again(struct session *session, uint16_t type) {
  for (struct announced *announced = session->announced; announced != NULL; announced = announced->next) {
    if (announced->type != type) continue;
    struct request *request = calloc(1, sizeof(*request));
    uint8_t *frame = malloc(announced->length);
    if (request == NULL || frame == NULL) {
      free(request);
      free(frame);
      session_lost(session, STS_ENOMEM, "no memory to announce what is open");
      return;
    }
    memcpy(frame, announced->frame, announced->length);
    request_adopt(session, request, type, frame, announced->length);
    request->transient = true;
    request->frame[6] |= WIRE_FLAG_RESEND;
    session_send(session, request->frame, request->length);
    request_end(session, request, NULL);
  }
}

static void resend_requests(struct session *session, struct request *last) {
  if (last == NULL) return;
  for (struct request *request = session->requests; request != NULL; request = request->next) {
    if (!request->done && !request->transient) send_again(session, request->frame, request->length);
    if (request == last) return;
  }
}

void session_replay(struct session *session) {
  session_drop_orphans(session);
  struct request *last = NULL;
  for (struct request *request = session->requests; request != NULL; request = request->next) last = request;
  announce_again(session, WIRE_TYPE_SERVER_OPEN);
  image_attach_all(session);
  announce_again(session, WIRE_TYPE_COPY_START);
  resend_requests(session, last);
}

int session_announce(struct session *session, uint64_t number, const struct request *request,
                     struct failure *failure) {
  struct announced *announced = calloc(1, sizeof(*announced));
  uint8_t *frame = malloc(request->length);
  if (announced == NULL || frame == NULL) {
    free(announced);
    free(frame);
    return fail(failure, STS_ENOMEM, "no memory");
  }
  memcpy(frame, request->frame, request->length);
  *announced = (struct announced){.next = session->announced,
                                  .number = number,
                                  .type = request->type,
                                  .frame = frame,
                                  .length = request->length};
  session->announced = announced;
  if (request->type == WIRE_TYPE_COPY_START) session->copy_count++;
  return STS_EOK;
}

void session_retract(struct session *session, uint64_t number) {
  for (struct announced **link = &session->announced; *link != NULL; link = &(*link)->next) {
    struct announced *announced = *link;
    if (announced->number != number) continue;
    *link = announced->next;
    if (announced->type == WIRE_TYPE_COPY_START) session->copy_count--;
    explicit_bzero(announced->frame, announced->length);
    free(announced->frame);
    free(announced);
    return;
  }
}
