/* stsp_copy_image, stsp_copy_extent, stsp_async_copy_image, stsp_async_wait, stsp_async_cancel */
#include "call.h"
#include <stdlib.h>
#include <string.h>

/* Buffer of an extent copy; extents are 256 KiB in practice. */
#define EXTENT_BUFFER (1u << 20)
/* How long one wait at the engine may last, so that progress and termination are noticed. */
#define WAIT_SLICE_MS 10000u

/* Start a copy and keep it announced, so that it is repeated after a reconnect. */
static int start_copy(struct call *call, const sts_lsu_t *from_lsu, const sts_image_def_t *from,
                      const sts_lsu_t *to_lsu, const sts_image_def_t *to, uint32_t flags,
                      struct session **session, uint64_t *operation) {
  char from_name[STS_MAX_LSUNAME], to_name[STS_MAX_LSUNAME];
  sts_image_def_t from_def, to_def;
  struct server *from_server, *to_server;
  int status = copy_lsu(call, from_lsu, from_name, &from_server);
  if (status == STS_EOK) status = copy_lsu(call, to_lsu, to_name, &to_server);
  if (status == STS_EOK) status = copy_def(call, from, &from_def);
  if (status == STS_EOK) status = copy_def(call, to, &to_def);
  if (status == STS_EOK) status = call_session(call, session);
  if (status != STS_EOK) return status;
  struct session *s = *session;
  pthread_mutex_lock(&s->lock);
  *operation = session_number(s);
  struct wire_copy_start message = {
      .operation = *operation,
      .from_server = from_server->number,
      .from_lsu = wire_text(from_name),
      .from = image_wire_id(&from_def),
      .to_server = to_server->number,
      .to_lsu = wire_text(to_name),
      .to = image_wire_id(&to_def),
      .flags = flags,
  };
  struct request *request = request_start(s, WIRE_TYPE_COPY_START, &message, &call->failure);
  status = request == NULL
               ? call->failure.status
               : request_wait(s, request, clock_now() + runtime.config.call_timeout_ms, &call->failure);
  if (status == STS_EOK) status = session_announce(s, *operation, request, &call->failure);
  if (request != NULL) request_end(s, request, NULL);
  if (status != STS_EOK) {
    /* It may have begun although no answer came. */
    struct wire_copy release = {*operation};
    session_notify(s, WIRE_TYPE_COPY_RELEASE, &release);
  }
  pthread_mutex_unlock(&s->lock);
  return status;
}

static void release_copy(struct session *session, uint64_t operation) {
  struct wire_copy message = {operation};
  pthread_mutex_lock(&session->lock);
  session_retract(session, operation);
  session_notify(session, WIRE_TYPE_COPY_RELEASE, &message);
  session_drain(session);
  pthread_mutex_unlock(&session->lock);
}

static bool is_announced(struct session *session, uint64_t operation) {
  bool found = false;
  pthread_mutex_lock(&session->lock);
  for (struct announced *one = session->announced; !found && one != NULL; one = one->next)
    found = one->number == operation && one->type == WIRE_TYPE_COPY_START;
  pthread_mutex_unlock(&session->lock);
  return found;
}

/* One wait at the engine. An error of the operation itself ends it; trouble with the engine does not. */
static int wait_slice(struct call *call, struct session *session, uint64_t operation, uint32_t timeout_ms,
                      sts_copy_progress_t *progress) {
  struct wire_copy_wait message = {operation, timeout_ms};
  pthread_mutex_lock(&session->lock);
  struct request *request = request_start(session, WIRE_TYPE_COPY_WAIT, &message, &call->failure);
  int status = call->failure.status;
  bool ended = false;
  if (request != NULL) {
    uint64_t deadline = clock_now() + timeout_ms + runtime.config.call_timeout_ms;
    status = request_wait(session, request, deadline, &call->failure);
    ended = request->done && status != STS_EOK;
    if (status == STS_EOK) {
      const struct wire_copy_status *found = &request->message.copy_status;
      *progress = (sts_copy_progress_t){found->state == WIRE_COPY_DONE, found->done, found->total};
      ended = progress->cp_done != 0;
    }
    request_end(session, request, NULL);
  }
  pthread_mutex_unlock(&session->lock);
  if (ended) release_copy(session, operation);
  return status;
}

static int copy_image(struct call *call, const sts_lsu_t *from_lsu, const sts_image_def_t *from,
                      const sts_lsu_t *to_lsu, const sts_image_def_t *to) {
  struct session *session;
  uint64_t operation;
  sts_copy_progress_t progress = {0};
  uint64_t moved = 0, last_move = clock_now();
  int status = start_copy(call, from_lsu, from, to_lsu, to, 0, &session, &operation);
  while (status == STS_EOK && !progress.cp_done) {
    status = wait_slice(call, session, operation, WAIT_SLICE_MS, &progress);
    if (progress.cp_bytes != moved) {
      moved = progress.cp_bytes;
      last_move = clock_now();
    }
    if (status == STS_EOK && !progress.cp_done && clock_now() - last_move > runtime.config.data_timeout_ms)
      status = fail(&call->failure, STS_EAGAIN, "the copy makes no progress");
    if (status != STS_EOK) release_copy(session, operation);
  }
  return status;
}

EXPORT int stsp_copy_image(const sts_lsu_t *from_lsu, const sts_image_def_t *from, const sts_lsu_t *to_lsu,
                           const sts_image_def_t *to) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = copy_image(&call, from_lsu, from, to_lsu, to);
  return call_end(&call, status);
}

EXPORT int stsp_async_copy_image(const sts_lsu_t *from_lsu, const sts_image_def_t *from,
                                 const sts_lsu_t *to_lsu, const sts_image_def_t *to, uint32_t flags,
                                 stsp_opid_t *operation) {
  struct call call;
  struct session *session;
  uint64_t number;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK && (operation == NULL || (flags & ~STS_COPYF_EVENT) != 0))
    status = fail(&call.failure, STS_EINVAL, "no room for the operation, or unknown flags");
  if (status == STS_EOK)
    status = start_copy(&call, from_lsu, from, to_lsu, to, flags & STS_COPYF_EVENT ? WIRE_COPY_EVENT : 0,
                        &session, &number);
  if (status == STS_EOK) *operation = number;
  return call_end(&call, status);
}

EXPORT int stsp_async_wait(stsp_opid_t operation, uint32_t timeout_ms, sts_copy_progress_t *progress) {
  struct call call;
  struct session *session = NULL;
  sts_copy_progress_t found = {0};
  int status = call_begin(&call, __func__);
  if (status == STS_EOK && progress == NULL)
    status = fail(&call.failure, STS_EINVAL, "no room for the progress");
  if (status == STS_EOK) status = call_session(&call, &session);
  if (status == STS_EOK && !is_announced(session, operation))
    status = fail(&call.failure, STS_ENOENT, "no such copy operation");
  uint64_t deadline = clock_now() + timeout_ms;
  do {
    if (status != STS_EOK) return call_end(&call, status);
    uint64_t now = clock_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    status = wait_slice(&call, session, operation, (uint32_t)clock_earlier(left, WAIT_SLICE_MS), &found);
  } while (status == STS_EOK && !found.cp_done && clock_now() < deadline);
  if (status == STS_EOK) *progress = found;
  return call_end(&call, status);
}

EXPORT int stsp_async_cancel(stsp_opid_t operation) {
  struct call call;
  struct session *session = NULL;
  struct request *request;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = call_session(&call, &session);
  if (status == STS_EOK && !is_announced(session, operation))
    status = fail(&call.failure, STS_ENOENT, "no such copy operation");
  if (status != STS_EOK) return call_end(&call, status);
  struct wire_copy message = {operation};
  status = session_call(session, WIRE_TYPE_COPY_CANCEL, &message, runtime.config.call_timeout_ms, &request,
                        &call.failure);
  if (status == STS_EOK) session_done(session, request);
  return call_end(&call, status);
}

/* Both handles are used by this thread only, so no order of locks matters: acquiring never waits. */
static int copy_extent(struct call *call, stsp_image_handle_t to, uint64_t to_offset, stsp_image_handle_t from,
                       uint64_t from_offset, uint64_t length, uint64_t *copied) {
  if (to_offset % STS_BLOCK_SIZE != 0 || length % STS_BLOCK_SIZE != 0 || length > INT64_MAX ||
      to_offset > INT64_MAX || from_offset > INT64_MAX)
    return fail(&call->failure, STS_EINVAL, "offset or length out of bounds or no multiple of %u",
                STS_BLOCK_SIZE);
  void *source, *target;
  if (registry_acquire(&runtime.registry, HANDLE_IMAGE, to, &target) != REGISTRY_OK)
    return fail(&call->failure, STS_EINVAL, "the target is no open image, or in use");
  call->handle = to;
  call->image_server = ((struct image *)target)->server_handle;
  if (registry_acquire(&runtime.registry, HANDLE_IMAGE, from, &source) != REGISTRY_OK)
    return fail(&call->failure, STS_EINVAL, "the source is no open image, or in use");
  call->second = from;
  if (((struct image *)target)->mode != WIRE_MODE_WRITE || ((struct image *)source)->mode != WIRE_MODE_READ)
    return fail(&call->failure, STS_EINVAL, "the source has to be open for reading, the target for writing");
  uint8_t *buffer = malloc(length < EXTENT_BUFFER ? (length == 0 ? 1 : (size_t)length) : EXTENT_BUFFER);
  if (buffer == NULL) return fail(&call->failure, STS_ENOMEM, "no memory for an extent");
  int status = STS_EOK;
  while (status == STS_EOK && *copied < length) {
    uint64_t piece = length - *copied < EXTENT_BUFFER ? length - *copied : EXTENT_BUFFER;
    uint64_t got = 0, written = 0;
    status = image_read(runtime.session, source, buffer, piece, from_offset + *copied, &got, &call->failure);
    if (status == STS_EOK && got < piece)
      status = fail(&call->failure, STS_EINVAL, "the source ends inside the extent");
    if (status == STS_EOK)
      status =
          image_write(runtime.session, target, buffer, piece, to_offset + *copied, &written, &call->failure);
    *copied += written;
  }
  free(buffer);
  return status;
}

EXPORT int stsp_copy_extent(stsp_image_handle_t to, uint64_t to_offset, stsp_image_handle_t from,
                            uint64_t from_offset, uint64_t length, uint64_t *copied) {
  struct call call;
  uint64_t done = 0;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK && copied == NULL) status = fail(&call.failure, STS_EINVAL, "no room for the count");
  if (status == STS_EOK) status = copy_extent(&call, to, to_offset, from, from_offset, length, &done);
  if (copied != NULL) *copied = done;
  return call_end(&call, status);
}
