/* Lists and channels: objects with nothing at the engine, because cursors and sequences say it all. */
#ifndef VOST_LISTS_H
#define VOST_LISTS_H

#include "call.h"

struct lsu_list {
  uint64_t server;
  void *server_handle;
  struct request *page; /* the answer that `names` points into */
  struct wire_list names;
  bool last; /* no page follows */
  char cursor[WIRE_MAX_CAUSE + 1];
};

struct image_list {
  uint64_t server;
  void *server_handle;
  uint32_t kinds;
  char lsu[STS_MAX_LSUNAME];
  struct request *page;
  struct wire_list images;
  bool last;
  char cursor[WIRE_MAX_CAUSE + 1];
};

struct channel {
  uint64_t server;
  void *server_handle;
  uint64_t after; /* the newest sequence that the host has seen */
  struct request *page;
  struct wire_list events;
};

/* Close a list or channel: unregister, free, count the server's child down. */
int close_simple(const char *function, enum handle_kind kind, void *handle);

#endif
