#include "lists.h"
#include <stdlib.h>

/* Every kind begins with the server's number and handle and holds one page. */
static struct request *page_of(enum handle_kind kind, void *object) {
  if (kind == HANDLE_LSU_LIST) return ((struct lsu_list *)object)->page;
  if (kind == HANDLE_IMAGE_LIST) return ((struct image_list *)object)->page;
  return ((struct channel *)object)->page;
}

static void *server_of(enum handle_kind kind, void *object) {
  if (kind == HANDLE_LSU_LIST) return ((struct lsu_list *)object)->server_handle;
  if (kind == HANDLE_IMAGE_LIST) return ((struct image_list *)object)->server_handle;
  return ((struct channel *)object)->server_handle;
}

void free_object(enum handle_kind kind, void *object) {
  struct request *page = page_of(kind, object);
  if (page != NULL && runtime.session != NULL) session_done(runtime.session, page);
  free(object);
}

int close_simple(const char *function, enum handle_kind kind, void *handle) {
  struct call call;
  void *object;
  int status = call_begin(&call, function);
  if (status != STS_EOK) return call_end(&call, status);
  switch (registry_close(&runtime.registry, kind, handle, &object)) {
  case REGISTRY_OK: break;
  case REGISTRY_BUSY:
    return call_end(&call, fail(&call.failure, STS_EBUSY, "another thread is using this handle"));
  default: return call_end(&call, fail(&call.failure, STS_EINVAL, "not an open handle of this kind"));
  }
  void *server = server_of(kind, object);
  registry_remove(&runtime.registry, handle);
  free_object(kind, object);
  registry_child(&runtime.registry, server, -1);
  return call_end(&call, STS_EOK);
}
