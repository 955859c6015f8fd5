/* stsp_create_image … stsp_get_image_prop_byname */
#include "call.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_image(struct call *call, const sts_lsu_t *lsu, const sts_image_def_t *def, uint32_t mode,
                      bool create, uint32_t flags, stsp_image_handle_t *out) {
  char name[STS_MAX_LSUNAME];
  sts_image_def_t copy;
  struct server *server;
  struct session *session;
  void *handle;
  if (out == NULL) return fail(&call->failure, STS_EINVAL, "no room for the handle");
  int status = copy_lsu(call, lsu, name, &server);
  if (status == STS_EOK) status = copy_def(call, def, &copy);
  if (status == STS_EOK) status = call_session(call, &session);
  if (status != STS_EOK) return status;
  pthread_mutex_lock(&session->lock);
  struct image *image = image_new(session, mode, name, &copy, &call->failure);
  pthread_mutex_unlock(&session->lock);
  if (image == NULL) return call->failure.status;
  image->server = server->number;
  image->server_handle = lsu->sl_server;
  status = image_open(session, image, flags, create, &call->failure);
  if (status != STS_EOK) return status;
  status = call_register(call, HANDLE_IMAGE, image, &handle);
  if (status != STS_EOK) {
    char report[8];
    struct failure ignored = {0};
    image_close(session, image, mode == WIRE_MODE_READ ? WIRE_CLOSE_READ : WIRE_CLOSE_ABANDON, report,
                sizeof(report), &ignored);
    return status;
  }
  registry_child(&runtime.registry, lsu->sl_server, 1);
  *out = handle;
  return STS_EOK;
}

EXPORT int stsp_create_image(const sts_lsu_t *lsu, const sts_image_def_t *image, int more,
                             stsp_image_handle_t *handle) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK)
    status =
        open_image(&call, lsu, image, WIRE_MODE_WRITE, true, more != 0 ? WIRE_CREATE_MORE_FOLLOW : 0, handle);
  return call_end(&call, status);
}

EXPORT int stsp_open_image(const sts_lsu_t *lsu, const sts_image_def_t *image, uint32_t mode,
                           stsp_image_handle_t *handle) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK && mode != STS_O_READ && mode != STS_O_WRITE)
    status = fail(&call.failure, STS_EINVAL, "unknown open mode %u", mode);
  if (status == STS_EOK)
    status =
        open_image(&call, lsu, image, mode == STS_O_READ ? WIRE_MODE_READ : WIRE_MODE_WRITE, false, 0, handle);
  return call_end(&call, status);
}

static int begin_io(struct call *call, const char *function, const void *handle, uint32_t mode) {
  int status = call_begin_with(call, function, HANDLE_IMAGE, handle);
  if (status != STS_EOK) return status;
  const struct image *image = call->object;
  if (image->mode != mode)
    return fail(&call->failure, STS_EINVAL, "the image is open for %s",
                mode == WIRE_MODE_READ ? "writing" : "reading");
  return STS_EOK;
}

static int check_write(struct call *call, const void *buffer, uint64_t length, uint64_t offset) {
  if (buffer == NULL && length > 0) return fail(&call->failure, STS_EINVAL, "the buffer is NULL");
  if (length % STS_BLOCK_SIZE != 0 || offset % STS_BLOCK_SIZE != 0)
    return fail(&call->failure, STS_EINVAL, "offset %llu or length %llu is no multiple of %u",
                (unsigned long long)offset, (unsigned long long)length, STS_BLOCK_SIZE);
  if (length > INT64_MAX || offset > INT64_MAX || offset + length > INT64_MAX)
    return fail(&call->failure, STS_EINVAL, "the write would end beyond the largest image");
  return STS_EOK;
}

EXPORT int stsp_write_image(stsp_image_handle_t handle, const sts_stat_t *stat, const void *buffer,
                            uint64_t length, uint64_t offset, uint64_t *written) {
  struct call call;
  uint64_t done = 0;
  (void)stat;
  int status = begin_io(&call, __func__, handle, WIRE_MODE_WRITE);
  if (status == STS_EOK && written == NULL) status = fail(&call.failure, STS_EINVAL, "no room for the count");
  if (status == STS_EOK) status = check_write(&call, buffer, length, offset);
  if (status == STS_EOK)
    status = image_write(runtime.session, call.object, buffer, length, offset, &done, &call.failure);
  if (written != NULL) *written = done;
  return call_end(&call, status);
}

EXPORT int stsp_read_image(stsp_image_handle_t handle, void *buffer, uint64_t length, uint64_t offset,
                           uint64_t *got) {
  struct call call;
  uint64_t done = 0;
  int status = begin_io(&call, __func__, handle, WIRE_MODE_READ);
  if (status == STS_EOK && (got == NULL || (buffer == NULL && length > 0)))
    status = fail(&call.failure, STS_EINVAL, "no room for the bytes");
  if (status == STS_EOK)
    status = image_read(runtime.session, call.object, buffer, length, offset, &done, &call.failure);
  if (got != NULL) *got = done;
  return call_end(&call, status);
}

EXPORT int stsp_flush(stsp_image_handle_t handle) {
  struct call call;
  int status = begin_io(&call, __func__, handle, WIRE_MODE_WRITE);
  if (status == STS_EOK) status = image_flush(runtime.session, call.object, &call.failure);
  return call_end(&call, status);
}

/* Handles are freed even when the flags are wrong: a host that does not get rid of one gets BUSY at
   close_server. Wrong flags therefore count as incomplete, and the error is told. */
static uint32_t close_mode(struct call *call, const struct image *image, uint32_t flags, int *status) {
  if (flags != STS_CLOSEF_IH_COMPLETE && flags != STS_CLOSEF_IH_INCOMPLETE)
    *status = fail(&call->failure, STS_EINVAL, "unknown close flags 0x%x", flags);
  if (image->mode == WIRE_MODE_READ) return WIRE_CLOSE_READ;
  return flags == STS_CLOSEF_IH_COMPLETE ? WIRE_CLOSE_COMPLETE : WIRE_CLOSE_INCOMPLETE;
}

EXPORT int stsp_close_image(stsp_image_handle_t handle, uint32_t flags, sts_close_report_t *report) {
  struct call call;
  void *object;
  int status = call_begin(&call, __func__);
  if (status != STS_EOK) return call_end(&call, status);
  switch (registry_close(&runtime.registry, HANDLE_IMAGE, handle, &object)) {
  case REGISTRY_OK: break;
  case REGISTRY_BUSY:
    return call_end(&call, fail(&call.failure, STS_EBUSY, "another thread is using this handle"));
  default: return call_end(&call, fail(&call.failure, STS_EINVAL, "not an open image handle"));
  }
  struct image *image = object;
  void *named;
  if (registry_acquire(&runtime.registry, HANDLE_SERVER, image->server_handle, &named) == REGISTRY_OK) {
    call_origin(&call, named);
    registry_release(&runtime.registry, image->server_handle);
  }
  sts_close_report_t line = {""};
  char name[STS_MAX_IMAGENAME];
  uint64_t bytes = image->bytes, began = image->began;
  void *server = image->server_handle;
  memcpy(name, image->def.img_basename, sizeof(name));
  uint32_t mode = close_mode(&call, image, flags, &status);
  struct failure failure = {0};
  int closed = image_close(runtime.session, image, mode, line.cl_report, sizeof(line.cl_report), &failure);
  if (closed != STS_EOK) {
    status = closed;
    call.failure = failure;
  }
  registry_remove(&runtime.registry, handle);
  registry_child(&runtime.registry, server, -1);
  log_line(&runtime.log, LOG_INFO, &call.origin, "image=%s mode=%u bytes=%llu ms=%llu status=%d report=%s",
           name, mode, (unsigned long long)bytes, (unsigned long long)(clock_now() - began), status,
           line.cl_report);
  if (report != NULL) *report = line;
  return call_end(&call, status);
}

static int delete_image(struct call *call, const sts_lsu_t *lsu, const sts_image_def_t *def, int async) {
  char name[STS_MAX_LSUNAME];
  sts_image_def_t copy;
  struct server *server;
  struct session *session;
  struct request *request;
  int status = copy_lsu(call, lsu, name, &server);
  if (status == STS_EOK) status = copy_def(call, def, &copy);
  if (status == STS_EOK) status = call_session(call, &session);
  if (status != STS_EOK) return status;
  struct wire_image_delete message = {server->number, wire_text(name), image_wire_id(&copy),
                                      async != 0 ? WIRE_DELETE_ASYNC : 0};
  status = session_call(session, WIRE_TYPE_IMAGE_DELETE, &message, runtime.config.call_timeout_ms, &request,
                        &call->failure);
  if (status == STS_EOK) session_done(session, request);
  return status;
}

EXPORT int stsp_delete_image(const sts_lsu_t *lsu, const sts_image_def_t *image, int async) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = delete_image(&call, lsu, image, async);
  return call_end(&call, status);
}

EXPORT int stsp_get_image_prop(stsp_image_handle_t handle, sts_image_info_t *info) {
  struct call call;
  struct request *request;
  int status = call_begin_with(&call, __func__, HANDLE_IMAGE, handle);
  if (status == STS_EOK && info == NULL) status = fail(&call.failure, STS_EINVAL, "no room for the properties");
  if (status != STS_EOK) return call_end(&call, status);
  const struct image *image = call.object;
  struct wire_image message = {image->handle};
  status = session_call(runtime.session, WIRE_TYPE_IMAGE_PROP, &message, runtime.config.call_timeout_ms,
                        &request, &call.failure);
  if (status == STS_EOK) {
    export_info(&request->message.image_entry, info);
    session_done(runtime.session, request);
    /* Bytes that still lie in slots belong to the size. */
    if (info->imo_size < image->size) info->imo_size = image->size;
  }
  return call_end(&call, status);
}

static int prop_byname(struct call *call, const sts_lsu_t *lsu, const sts_image_def_t *def,
                       sts_image_info_t *info) {
  char name[STS_MAX_LSUNAME];
  sts_image_def_t copy;
  struct server *server;
  struct session *session;
  struct request *request;
  if (info == NULL) return fail(&call->failure, STS_EINVAL, "no room for the properties");
  int status = copy_lsu(call, lsu, name, &server);
  if (status == STS_EOK) status = copy_def(call, def, &copy);
  if (status == STS_EOK) status = call_session(call, &session);
  if (status != STS_EOK) return status;
  struct wire_image_name message = {server->number, wire_text(name), image_wire_id(&copy)};
  status = session_call(session, WIRE_TYPE_IMAGE_PROP_BYNAME, &message, runtime.config.call_timeout_ms,
                        &request, &call->failure);
  if (status != STS_EOK) return status;
  export_info(&request->message.image_entry, info);
  session_done(session, request);
  return STS_EOK;
}

EXPORT int stsp_get_image_prop_byname(const sts_lsu_t *lsu, const sts_image_def_t *image,
                                      sts_image_info_t *info) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = prop_byname(&call, lsu, image, info);
  return call_end(&call, status);
}
