#include "call.h"
#include "status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int call_begin(struct call *call, const char *function) {
  memset(call, 0, sizeof(*call));
  call->origin.function = function;
  pthread_mutex_lock(&runtime.lock);
  if (runtime.inits == 0 || runtime.stopping) {
    fail(&call->failure, STS_EINVAL, "stsp_init was not called");
  } else if (runtime.pid != getpid()) {
    fail(&call->failure, STS_EINVAL, "this process was not made by fork()");
  } else {
    runtime.calls++;
    call->begun = true;
  }
  pthread_mutex_unlock(&runtime.lock);
  return call->failure.status;
}

static int acquire(struct call *call, enum handle_kind kind, const void *handle, void **object) {
  switch (registry_acquire(&runtime.registry, kind, handle, object)) {
  case REGISTRY_OK: return STS_EOK;
  case REGISTRY_BUSY: return fail(&call->failure, STS_EBUSY, "another thread is using this handle");
  default: return fail(&call->failure, STS_EINVAL, "not an open handle of this kind");
  }
}

int call_begin_with(struct call *call, const char *function, enum handle_kind kind, const void *handle) {
  int status = call_begin(call, function);
  if (status != STS_EOK) return status;
  status = acquire(call, kind, handle, &call->object);
  if (status != STS_EOK) return status;
  call->handle = handle;
  if (kind == HANDLE_SERVER) call_origin(call, call->object);
  if (kind == HANDLE_IMAGE) call->image_server = ((struct image *)call->object)->server_handle;
  return STS_EOK;
}

void call_origin(struct call *call, const struct server *server) {
  snprintf(call->job, sizeof(call->job), "%s", server->job);
  snprintf(call->server_name, sizeof(call->server_name), "%s", server->name);
  call->origin.job = call->job;
  call->origin.server = call->server_name;
  call->origin.host = server->log;
  call->origin.host_context = server->log_context;
}

/* The server cannot be closed while its image is in use. */
static void find_origin(struct call *call) {
  void *server;
  if (call->image_server == NULL ||
      registry_acquire(&runtime.registry, HANDLE_SERVER, call->image_server, &server) != REGISTRY_OK)
    return;
  call_origin(call, server);
  registry_release(&runtime.registry, call->image_server);
}

int call_end(struct call *call, int status) {
  if (call->begun && (status != STS_EOK || runtime.log.level == LOG_DEBUG)) {
    /* The end of a list is no event worth a line. */
    enum log_level level = status == STS_EOK || status == STS_ENOENT ? LOG_DEBUG : LOG_ERROR;
    find_origin(call);
    if (status == STS_EOK)
      log_line(&runtime.log, level, &call->origin, "ok");
    else
      log_line(&runtime.log, level, &call->origin, "%s [%d] %s", status_name(status), status,
               call->failure.cause);
  }
  if (call->handle != NULL) registry_release(&runtime.registry, call->handle);
  if (call->second != NULL) registry_release(&runtime.registry, call->second);
  if (call->begun) {
    pthread_mutex_lock(&runtime.lock);
    if (--runtime.calls == 0) pthread_cond_broadcast(&runtime.idle);
    pthread_mutex_unlock(&runtime.lock);
  }
  return status;
}

int call_session(struct call *call, struct session **session) {
  pthread_mutex_lock(&runtime.lock);
  if (runtime.session == NULL) runtime.session = session_new(&runtime.config, &runtime.log, &call->failure);
  *session = runtime.session;
  pthread_mutex_unlock(&runtime.lock);
  return *session != NULL ? STS_EOK : call->failure.status;
}

int call_server(struct call *call, stsp_server_handle_t handle, struct server **server) {
  void *object;
  int status = acquire(call, HANDLE_SERVER, handle, &object);
  if (status != STS_EOK) return status;
  *server = object;
  if (call->handle == NULL)
    call->handle = handle;
  else
    call->second = handle;
  call_origin(call, *server);
  return STS_EOK;
}

int call_register(struct call *call, enum handle_kind kind, void *object, void **handle) {
  switch (registry_add(&runtime.registry, kind, object, handle)) {
  case REGISTRY_OK: return STS_EOK;
  case REGISTRY_FULL: return fail(&call->failure, STS_ECONNECT, "too many handles are open");
  default: return fail(&call->failure, STS_ENOMEM, "no memory for a handle");
  }
}
