/* stsp_open_lsu_list … stsp_label_lsu */
#include "call.h"
#include "lists.h"
#include <stdlib.h>
#include <string.h>

/* Fetch the page after the cursor. */
static int next_page(struct call *call, struct lsu_list *list) {
  struct session *session;
  int status = call_session(call, &session);
  if (status != STS_EOK) return status;
  if (list->page != NULL) session_done(session, list->page);
  list->page = NULL;
  struct wire_lsu_list message = {list->server, WIRE_MAX_NAMES, wire_text(list->cursor)};
  status = session_call(session, WIRE_TYPE_LSU_LIST, &message, runtime.config.call_timeout_ms, &list->page,
                        &call->failure);
  if (status != STS_EOK) {
    list->page = NULL;
    return status;
  }
  const struct wire_lsu_page *page = &list->page->message.lsu_page;
  list->names = page->names;
  list->last = page->cursor.length == 0;
  wire_copy_text(page->cursor, list->cursor, sizeof(list->cursor));
  return STS_EOK;
}

static int open_list(struct call *call, stsp_lsu_list_handle_t *out) {
  const struct server *server = call->object;
  if (out == NULL) return fail(&call->failure, STS_EINVAL, "no room for the handle");
  struct lsu_list *list = calloc(1, sizeof(*list));
  if (list == NULL) return fail(&call->failure, STS_ENOMEM, "no memory for a list");
  list->server = server->number;
  list->server_handle = (void *)(uintptr_t)call->handle;
  void *handle = NULL;
  int status = next_page(call, list);
  if (status == STS_EOK) status = call_register(call, HANDLE_LSU_LIST, list, &handle);
  if (status != STS_EOK) {
    free_object(HANDLE_LSU_LIST, list);
    return status;
  }
  registry_child(&runtime.registry, call->handle, 1);
  *out = handle;
  return STS_EOK;
}

EXPORT int stsp_open_lsu_list(stsp_server_handle_t server, stsp_lsu_list_handle_t *list) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_SERVER, server);
  if (status == STS_EOK) status = open_list(&call, list);
  return call_end(&call, status);
}

static int list_next(struct call *call, char *name) {
  struct lsu_list *list = call->object;
  if (name == NULL) return fail(&call->failure, STS_EINVAL, "no room for the name");
  struct wire_name entry;
  while (list->page == NULL || !wire_list_next(&list->names, &wire_group_name, &entry)) {
    if (list->last) return fail(&call->failure, STS_ENOENT, "no more entries");
    int status = next_page(call, list);
    if (status != STS_EOK) return status;
  }
  wire_copy_text(entry.name, name, STS_MAX_LSUNAME);
  return STS_EOK;
}

EXPORT int stsp_list_lsu(stsp_lsu_list_handle_t list, char name[STS_MAX_LSUNAME]) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_LSU_LIST, list);
  if (status == STS_EOK) status = list_next(&call, name);
  return call_end(&call, status);
}

EXPORT int stsp_close_lsu_list(stsp_lsu_list_handle_t handle) {
  return close_simple(__func__, HANDLE_LSU_LIST, handle);
}

static int lsu_prop(struct call *call, const sts_lsu_t *lsu, sts_lsu_info_t *info) {
  char name[STS_MAX_LSUNAME];
  struct server *server;
  struct session *session;
  struct request *request;
  if (info == NULL) return fail(&call->failure, STS_EINVAL, "no room for the properties");
  int status = copy_lsu(call, lsu, name, &server);
  if (status == STS_EOK) status = call_session(call, &session);
  if (status != STS_EOK) return status;
  struct wire_lsu_prop message = {server->number, wire_text(name)};
  status = session_call(session, WIRE_TYPE_LSU_PROP, &message, runtime.config.call_timeout_ms, &request,
                        &call->failure);
  if (status != STS_EOK) return status;
  const struct wire_lsu_info *found = &request->message.lsu_info;
  memset(info, 0, sizeof(*info));
  wire_copy_text(found->name, info->lsu_name, sizeof(info->lsu_name));
  wire_copy_text(found->label, info->lsu_label, sizeof(info->lsu_label));
  wire_copy_text(found->description, info->lsu_description, sizeof(info->lsu_description));
  info->lsu_flags = (found->flags & WIRE_LSU_READ ? STS_LSUF_READ : 0) |
                    (found->flags & WIRE_LSU_WRITE ? STS_LSUF_WRITE : 0) |
                    (found->flags & WIRE_LSU_WORM ? STS_LSUF_WORM : 0) |
                    (found->flags & WIRE_LSU_COPY_SOURCE ? STS_LSUF_REP_SOURCE : 0) |
                    (found->flags & WIRE_LSU_COPY_TARGET ? STS_LSUF_REP_TARGET : 0) |
                    (found->flags & WIRE_LSU_DEDUP ? STS_LSUF_DEDUP : 0);
  info->lsu_capacity = found->capacity;
  info->lsu_used = found->used;
  info->lsu_capacity_phys = found->phys_capacity;
  info->lsu_used_phys = found->phys_used;
  info->lsu_images = found->images;
  info->lsu_worm_min = found->worm_minimum;
  info->lsu_worm_max = found->worm_maximum;
  session_done(session, request);
  return STS_EOK;
}

EXPORT int stsp_get_lsu_prop_byname(const sts_lsu_t *lsu, sts_lsu_info_t *info) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = lsu_prop(&call, lsu, info);
  return call_end(&call, status);
}

static int label(struct call *call, const sts_lsu_t *lsu, const char *text) {
  char name[STS_MAX_LSUNAME], copy[STS_MAX_LSUNAME];
  struct server *server;
  struct session *session;
  struct request *request;
  int status = copy_lsu(call, lsu, name, &server);
  if (status == STS_EOK) status = copy_string(call, "the label", text, copy, sizeof(copy));
  if (status == STS_EOK) status = call_session(call, &session);
  if (status != STS_EOK) return status;
  struct wire_lsu_label message = {server->number, wire_text(name), wire_text(copy)};
  status = session_call(session, WIRE_TYPE_LSU_LABEL, &message, runtime.config.call_timeout_ms, &request,
                        &call->failure);
  if (status == STS_EOK) session_done(session, request);
  return status;
}

EXPORT int stsp_label_lsu(const sts_lsu_t *lsu, const char *text) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = label(&call, lsu, text);
  return call_end(&call, status);
}
