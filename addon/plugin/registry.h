/*
 * What the host holds are numbers dressed as pointers, never addresses: any value can be looked up
 * without touching foreign memory. A handle is magic (8 bits), epoch (8), kind (8), generation (16),
 * index + 1 (24). A fork or a terminate starts a new epoch, so older handles are unknown.
 */
#ifndef VOST_REGISTRY_H
#define VOST_REGISTRY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum handle_kind { HANDLE_SERVER = 1, HANDLE_IMAGE, HANDLE_LSU_LIST, HANDLE_IMAGE_LIST, HANDLE_CHANNEL };

#define REGISTRY_MAX 65535

struct registry_entry {
  void *object; /* NULL: free */
  uint16_t generation;
  uint8_t kind;
  bool closing;      /* no new users */
  uint32_t users;    /* calls in progress */
  uint32_t children; /* open handles that belong to this one */
  uint32_t next_free;
};

struct registry {
  pthread_mutex_t lock;
  struct registry_entry *entries;
  uint32_t count;     /* entries made so far */
  uint32_t used;      /* entries with an object */
  uint32_t free_list; /* index + 1; 0: none */
  uint8_t epoch;
};

enum registry_result { REGISTRY_OK, REGISTRY_UNKNOWN, REGISTRY_BUSY, REGISTRY_FULL, REGISTRY_NO_MEMORY };

void registry_init(struct registry *registry, uint8_t epoch);
void registry_free(struct registry *registry);

/* A new handle for `object`. */
enum registry_result registry_add(struct registry *registry, enum handle_kind kind, void *object,
                                  void **handle);

/* Begin to use a handle. Servers take many users at a time, all other kinds one (else BUSY). */
enum registry_result registry_acquire(struct registry *registry, enum handle_kind kind, const void *handle,
                                      void **object);
void registry_release(struct registry *registry, const void *handle);

/* Begin to close: fails with BUSY while others use it or children are open. Ends the acquired use. */
enum registry_result registry_close(struct registry *registry, enum handle_kind kind, const void *handle,
                                    void **object);
/* The object is gone; the number is never valid again. */
void registry_remove(struct registry *registry, const void *handle);

/* Count a child up or down. */
void registry_child(struct registry *registry, const void *handle, int change);

/* Any object that is open, of this kind, or NULL. For terminate, when no calls are in progress. */
void *registry_any(struct registry *registry, enum handle_kind kind, void **handle);

#endif
