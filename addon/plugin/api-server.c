/* stsp_open_server … stsp_set_config */
#include "call.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Server names look like VastData:<id>; the id is not empty. */
static int check_name(struct call *call, const char *name, char out[STS_MAX_STSNAME]) {
  int status = copy_string(call, "the server name", name, out, STS_MAX_STSNAME);
  if (status != STS_EOK) return status;
  size_t prefix = strlen(VOST_PREFIX);
  if (strncmp(out, VOST_PREFIX, prefix) == 0 && out[prefix] != 0) return STS_EOK;
  return fail(&call->failure, STS_ECLAIM, "not a %s server", VOST_PREFIX);
}

static int check_cred(struct call *call, const sts_cred_t *cred, struct wire_server_open *message) {
  if (cred == NULL || cred->cr_type == STS_CRED_NONE) return STS_EOK;
  if (cred->cr_type != STS_CRED_CLEAR && cred->cr_type != STS_CRED_MD5)
    return fail(&call->failure, STS_EAUTH, "unknown type of credentials");
  if (cred->cr_length > sizeof(cred->cr_cert))
    return fail(&call->failure, STS_EINVAL, "credentials are too long");
  size_t user = strnlen(cred->cr_cert, cred->cr_length);
  size_t secret = user < cred->cr_length ? strnlen(cred->cr_cert + user + 1, cred->cr_length - user - 1) : 0;
  if (user >= cred->cr_length || user + 1 + secret >= cred->cr_length || user >= STS_MAX_CRED ||
      secret >= STS_MAX_CRED)
    return fail(&call->failure, STS_EINVAL, "credentials are not two terminated strings");
  message->cred_type = cred->cr_type == STS_CRED_CLEAR ? WIRE_CRED_CLEAR : WIRE_CRED_MD5;
  message->user = (struct wire_bytes){(const uint8_t *)cred->cr_cert, (uint32_t)user};
  message->secret = (struct wire_bytes){(const uint8_t *)cred->cr_cert + user + 1, (uint32_t)secret};
  return STS_EOK;
}

static void take_host(struct server *server, const sts_session_t *host) {
  if (host == NULL) return;
  if (host->se_job != NULL) snprintf(server->job, sizeof(server->job), "%.63s", host->se_job);
  server->log = host->se_log;
  server->log_context = host->se_log_context;
}

static void close_at_engine(struct session *session, uint64_t number) {
  struct failure ignored = {0};
  struct wire_server message = {number};
  pthread_mutex_lock(&session->lock);
  session_retract(session, number);
  /* Without a connection there is nothing to close: the engine has forgotten it. */
  struct request *request =
      session->state == SESSION_UP ? request_start(session, WIRE_TYPE_SERVER_CLOSE, &message, &ignored) : NULL;
  if (request != NULL) {
    request->transient = true;
    request_end(session, request, NULL);
  }
  pthread_mutex_unlock(&session->lock);
}

static int exchange_open(struct call *call, struct session *session, struct wire_server_open *message) {
  struct request *request;
  pthread_mutex_lock(&session->lock);
  message->server = session_number(session);
  request = request_start(session, WIRE_TYPE_SERVER_OPEN, message, &call->failure);
  int status = request == NULL ? call->failure.status
                               : request_wait(session, request, clock_now() + runtime.config.call_timeout_ms,
                                              &call->failure);
  if (status == STS_EOK) status = session_announce(session, message->server, request, &call->failure);
  if (request != NULL) request_end(session, request, NULL);
  pthread_mutex_unlock(&session->lock);
  return status;
}

static int open_server(struct call *call, const sts_session_t *host, const char *name, const sts_cred_t *cred,
                       const char *interface, stsp_server_handle_t *out) {
  struct server *server = calloc(1, sizeof(*server));
  struct session *session = NULL;
  struct wire_server_open message = {0};
  char network[STS_MAX_IF] = "";
  void *handle = NULL;
  if (server == NULL) return fail(&call->failure, STS_ENOMEM, "no memory for a server handle");
  take_host(server, host);
  int status = out == NULL ? fail(&call->failure, STS_EINVAL, "no room for the handle") : STS_EOK;
  if (status == STS_EOK) status = check_name(call, name, server->name);
  call_origin(call, server);
  if (status == STS_EOK && interface != NULL)
    status = copy_string(call, "the interface", interface, network, sizeof(network));
  if (status == STS_EOK) status = check_cred(call, cred, &message);
  message.name = wire_text(server->name);
  message.interface = wire_text(network);
  message.job = wire_text(server->job);
  if (status == STS_EOK) status = call_session(call, &session);
  if (status == STS_EOK) status = exchange_open(call, session, &message);
  if (status == STS_EOK) {
    server->number = message.server;
    status = call_register(call, HANDLE_SERVER, server, &handle);
    if (status != STS_EOK) close_at_engine(session, message.server);
  }
  if (status != STS_EOK)
    free(server);
  else
    *out = handle;
  return status;
}

EXPORT int stsp_open_server(const sts_session_t *session, const char *server_name, const sts_cred_t *cred,
                            const char *interface, stsp_server_handle_t *server) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = open_server(&call, session, server_name, cred, interface, server);
  return call_end(&call, status);
}

EXPORT int stsp_close_server(stsp_server_handle_t handle) {
  struct call call;
  void *object;
  int status = call_begin(&call, __func__);
  if (status != STS_EOK) return call_end(&call, status);
  switch (registry_close(&runtime.registry, HANDLE_SERVER, handle, &object)) {
  case REGISTRY_OK: break;
  case REGISTRY_BUSY:
    return call_end(&call, fail(&call.failure, STS_EBUSY, "images, lists or calls are still open"));
  default: return call_end(&call, fail(&call.failure, STS_EINVAL, "not an open server handle"));
  }
  struct server *server = object;
  call_origin(&call, server);
  close_at_engine(runtime.session, server->number);
  registry_remove(&runtime.registry, handle);
  free(server);
  return call_end(&call, STS_EOK);
}

static uint32_t capabilities(uint64_t wire) {
  /* What the plugin itself can do on top of any server that reads and writes. */
  uint32_t caps = STS_SRVC_COPY_EXTENT;
  if (wire & WIRE_CAP_WRITE_RANDOM) caps |= STS_SRVC_WRITE_IMAGE_RANDOM;
  if (wire & WIRE_CAP_COPY_IMAGE) caps |= STS_SRVC_COPY_IMAGE;
  if (wire & WIRE_CAP_ASYNC_COPY) caps |= STS_SRVC_ASYNC_COPY;
  if (wire & WIRE_CAP_EVENTS) caps |= STS_SRVC_EVENTS;
  if (wire & WIRE_CAP_IMAGE_META) caps |= STS_SRVC_IMAGE_META;
  if (wire & WIRE_CAP_CONFIG) caps |= STS_SRVC_CONFIG;
  if (wire & WIRE_CAP_LABEL) caps |= STS_SRVC_LABEL;
  if (wire & WIRE_CAP_WORM) caps |= STS_SRVC_WORM;
  return caps;
}

static int server_prop(struct call *call, uint64_t number, const char *name, sts_server_info_t *info) {
  if (info == NULL) return fail(&call->failure, STS_EINVAL, "no room for the properties");
  struct session *session;
  struct request *request;
  struct wire_server_prop message = {number, wire_text(name)};
  int status = call_session(call, &session);
  if (status == STS_EOK)
    status = session_call(session, WIRE_TYPE_SERVER_PROP, &message, runtime.config.call_timeout_ms, &request,
                          &call->failure);
  if (status != STS_EOK) return status;
  const struct wire_server_info *found = &request->message.server_info;
  memset(info, 0, sizeof(*info));
  wire_copy_text(found->name, info->srv_name, sizeof(info->srv_name));
  wire_copy_text(found->version, info->srv_version, sizeof(info->srv_version));
  snprintf(info->srv_plugin_version, sizeof(info->srv_plugin_version), "%s", VOST_VERSION);
  info->srv_flags =
      STS_SRV_DISK | STS_SRV_CRED | (found->capabilities & WIRE_CAP_EVENTS ? STS_SRV_STORED_EV : 0);
  info->srv_cap = capabilities(found->capabilities);
  info->srv_max_handles = found->max_handles < REGISTRY_MAX ? found->max_handles : REGISTRY_MAX;
  session_done(session, request);
  return STS_EOK;
}

EXPORT int stsp_get_server_prop(stsp_server_handle_t handle, sts_server_info_t *info) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_SERVER, handle);
  if (status == STS_EOK) {
    const struct server *server = call.object;
    status = server_prop(&call, server->number, server->name, info);
  }
  return call_end(&call, status);
}

EXPORT int stsp_get_server_prop_byname(const sts_session_t *session, const char *server_name,
                                       sts_server_info_t *info) {
  struct call call;
  struct server named = {0};
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) {
    take_host(&named, session);
    status = check_name(&call, server_name, named.name);
    call_origin(&call, &named);
  }
  if (status == STS_EOK) status = server_prop(&call, 0, named.name, info);
  return call_end(&call, status);
}

static int get_config(struct call *call, char *text, uint32_t *length) {
  if (length == NULL || (text == NULL && *length > 0))
    return fail(&call->failure, STS_EINVAL, "no room for the text");
  struct session *session;
  struct request *request;
  struct wire_server message = {((struct server *)call->object)->number};
  int status = call_session(call, &session);
  if (status == STS_EOK)
    status = session_call(session, WIRE_TYPE_CONFIG_GET, &message, runtime.config.call_timeout_ms, &request,
                          &call->failure);
  if (status != STS_EOK) return status;
  struct wire_bytes found = request->message.config_text.text;
  if (found.length >= *length) {
    status = fail(&call->failure, STS_EINVAL, "the text needs %u bytes", found.length + 1);
  } else {
    wire_copy_text(found, text, *length);
  }
  *length = found.length;
  session_done(session, request);
  return status;
}

EXPORT int stsp_get_config(stsp_server_handle_t server, char *text, uint32_t *length) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_SERVER, server);
  if (status == STS_EOK) status = get_config(&call, text, length);
  return call_end(&call, status);
}

static int set_config(struct call *call, const char *text) {
  size_t length = text == NULL ? 0 : strnlen(text, STS_MAX_CONFIG);
  if (text == NULL || length >= STS_MAX_CONFIG) return fail(&call->failure, STS_EINVAL, "no text, or too long");
  struct session *session;
  struct request *request;
  struct wire_config_set message = {((struct server *)call->object)->number,
                                    {(const uint8_t *)text, (uint32_t)length}};
  int status = call_session(call, &session);
  if (status == STS_EOK)
    status = session_call(session, WIRE_TYPE_CONFIG_SET, &message, runtime.config.call_timeout_ms, &request,
                          &call->failure);
  if (status == STS_EOK) session_done(session, request);
  return status;
}

EXPORT int stsp_set_config(stsp_server_handle_t server, const char *text) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_SERVER, server);
  if (status == STS_EOK) status = set_config(&call, text);
  return call_end(&call, status);
}
