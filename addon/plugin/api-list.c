/* stsp_open_image_list, stsp_list_image, stsp_close_image_list */
#include "call.h"
#include "lists.h"
#include <stdlib.h>
#include <string.h>

static int next_page(struct call *call, struct image_list *list) {
  struct session *session;
  int status = call_session(call, &session);
  if (status != STS_EOK) return status;
  if (list->page != NULL) session_done(session, list->page);
  list->page = NULL;
  struct wire_image_list message = {list->server, wire_text(list->lsu), list->kinds, WIRE_MAX_IMAGES,
                                    wire_text(list->cursor)};
  status = session_call(session, WIRE_TYPE_IMAGE_LIST, &message, runtime.config.call_timeout_ms, &list->page,
                        &call->failure);
  if (status != STS_EOK) {
    list->page = NULL;
    return status;
  }
  const struct wire_image_page *page = &list->page->message.image_page;
  list->images = page->images;
  list->last = page->cursor.length == 0;
  wire_copy_text(page->cursor, list->cursor, sizeof(list->cursor));
  return STS_EOK;
}

static int open_list(struct call *call, const sts_lsu_t *lsu, uint32_t kinds, stsp_image_list_handle_t *out) {
  struct server *server;
  if (out == NULL) return fail(&call->failure, STS_EINVAL, "no room for the handle");
  if ((kinds & ~(STS_II_IMAGE_PENDING | STS_II_IMAGE_CREATED)) != 0)
    return fail(&call->failure, STS_EINVAL, "unknown kinds 0x%x", kinds);
  struct image_list *list = calloc(1, sizeof(*list));
  if (list == NULL) return fail(&call->failure, STS_ENOMEM, "no memory for a list");
  void *handle = NULL;
  int status = copy_lsu(call, lsu, list->lsu, &server);
  if (status == STS_EOK) {
    list->server = server->number;
    list->server_handle = lsu->sl_server;
    if (kinds & STS_II_IMAGE_PENDING) list->kinds |= WIRE_IMAGE_PENDING;
    if (kinds & STS_II_IMAGE_CREATED) list->kinds |= WIRE_IMAGE_CREATED;
    status = next_page(call, list);
  }
  if (status == STS_EOK) status = call_register(call, HANDLE_IMAGE_LIST, list, &handle);
  if (status != STS_EOK) {
    free_object(HANDLE_IMAGE_LIST, list);
    return status;
  }
  registry_child(&runtime.registry, lsu->sl_server, 1);
  *out = handle;
  return STS_EOK;
}

EXPORT int stsp_open_image_list(const sts_lsu_t *lsu, uint32_t kinds, stsp_image_list_handle_t *list) {
  struct call call;
  int status = call_begin(&call, __func__);
  if (status == STS_EOK) status = open_list(&call, lsu, kinds, list);
  return call_end(&call, status);
}

static int list_next(struct call *call, sts_image_info_t *info) {
  struct image_list *list = call->object;
  if (info == NULL) return fail(&call->failure, STS_EINVAL, "no room for the entry");
  struct wire_image_entry entry;
  while (list->page == NULL || !wire_list_next(&list->images, &wire_group_image_entry, &entry)) {
    if (list->last) return fail(&call->failure, STS_ENOENT, "no more entries");
    int status = next_page(call, list);
    if (status != STS_EOK) return status;
  }
  export_info(&entry, info);
  return STS_EOK;
}

EXPORT int stsp_list_image(stsp_image_list_handle_t list, sts_image_info_t *info) {
  struct call call;
  int status = call_begin_with(&call, __func__, HANDLE_IMAGE_LIST, list);
  if (status == STS_EOK) status = list_next(&call, info);
  return call_end(&call, status);
}

EXPORT int stsp_close_image_list(stsp_image_list_handle_t list) {
  return close_simple(__func__, HANDLE_IMAGE_LIST, list);
}
