#include "registry.h"
#include <stdlib.h>
#include <string.h>

#define MAGIC UINT64_C(0xa7)

void registry_init(struct registry *registry, uint8_t epoch) {
  memset(registry, 0, sizeof(*registry));
  pthread_mutex_init(&registry->lock, NULL);
  registry->epoch = epoch;
}

void registry_free(struct registry *registry) {
  free(registry->entries);
  pthread_mutex_destroy(&registry->lock);
  registry->entries = NULL;
  registry->count = registry->used = registry->free_list = 0;
}

static void *make_handle(const struct registry *registry, uint32_t index) {
  const struct registry_entry *entry = &registry->entries[index];
  uint64_t value = MAGIC << 56 | (uint64_t)registry->epoch << 48 | (uint64_t)entry->kind << 40 |
                   (uint64_t)entry->generation << 24 | (index + 1);
  return (void *)(uintptr_t)value;
}

/* The entry that a handle names, or NULL. */
static struct registry_entry *find(struct registry *registry, enum handle_kind kind, const void *handle) {
  uint64_t value = (uint64_t)(uintptr_t)handle;
  uint32_t index = (uint32_t)(value & 0xffffff);
  if (index == 0 || index > registry->count) return NULL;
  struct registry_entry *entry = &registry->entries[index - 1];
  if (entry->object == NULL || make_handle(registry, index - 1) != handle) return NULL;
  return kind == 0 || entry->kind == kind ? entry : NULL;
}

static bool grow(struct registry *registry) {
  if (registry->count > 0 && (registry->count & (registry->count - 1)) != 0) return true;
  uint32_t room = registry->count == 0 ? 1 : registry->count * 2;
  struct registry_entry *entries = realloc(registry->entries, room * sizeof(*entries));
  if (entries == NULL) return false;
  registry->entries = entries;
  return true;
}

enum registry_result registry_add(struct registry *registry, enum handle_kind kind, void *object,
                                  void **handle) {
  enum registry_result result = REGISTRY_OK;
  pthread_mutex_lock(&registry->lock);
  uint32_t index = registry->free_list;
  if (index != 0) {
    registry->free_list = registry->entries[index - 1].next_free;
  } else if (registry->count >= REGISTRY_MAX) {
    result = REGISTRY_FULL;
  } else if (!grow(registry)) {
    result = REGISTRY_NO_MEMORY;
  } else {
    index = ++registry->count;
    registry->entries[index - 1] = (struct registry_entry){.generation = 0};
  }
  if (result == REGISTRY_OK) {
    struct registry_entry *entry = &registry->entries[index - 1];
    *entry = (struct registry_entry){
        .object = object, .generation = (uint16_t)(entry->generation + 1), .kind = (uint8_t)kind};
    registry->used++;
    *handle = make_handle(registry, index - 1);
  }
  pthread_mutex_unlock(&registry->lock);
  return result;
}

enum registry_result registry_acquire(struct registry *registry, enum handle_kind kind, const void *handle,
                                      void **object) {
  enum registry_result result = REGISTRY_OK;
  pthread_mutex_lock(&registry->lock);
  struct registry_entry *entry = find(registry, kind, handle);
  if (entry == NULL) {
    result = REGISTRY_UNKNOWN;
  } else if (entry->closing || (entry->users > 0 && kind != HANDLE_SERVER)) {
    result = REGISTRY_BUSY;
  } else {
    entry->users++;
    *object = entry->object;
  }
  pthread_mutex_unlock(&registry->lock);
  return result;
}

void registry_release(struct registry *registry, const void *handle) {
  pthread_mutex_lock(&registry->lock);
  struct registry_entry *entry = find(registry, 0, handle);
  if (entry != NULL && entry->users > 0) entry->users--;
  pthread_mutex_unlock(&registry->lock);
}

enum registry_result registry_close(struct registry *registry, enum handle_kind kind, const void *handle,
                                    void **object) {
  enum registry_result result = REGISTRY_OK;
  pthread_mutex_lock(&registry->lock);
  struct registry_entry *entry = find(registry, kind, handle);
  if (entry == NULL) {
    result = REGISTRY_UNKNOWN;
  } else if (entry->closing || entry->users > 0 || entry->children > 0) {
    result = REGISTRY_BUSY;
  } else {
    entry->closing = true;
    *object = entry->object;
  }
  pthread_mutex_unlock(&registry->lock);
  return result;
}

void registry_remove(struct registry *registry, const void *handle) {
  pthread_mutex_lock(&registry->lock);
  struct registry_entry *entry = find(registry, 0, handle);
  if (entry != NULL) {
    entry->object = NULL;
    registry->used--;
    /* A number whose generations are used up is not used again. */
    if (entry->generation != UINT16_MAX) {
      entry->next_free = registry->free_list;
      registry->free_list = (uint32_t)(entry - registry->entries) + 1;
    }
  }
  pthread_mutex_unlock(&registry->lock);
}

void registry_child(struct registry *registry, const void *handle, int change) {
  pthread_mutex_lock(&registry->lock);
  struct registry_entry *entry = find(registry, 0, handle);
  if (entry != NULL) entry->children = (uint32_t)((int)entry->children + change);
  pthread_mutex_unlock(&registry->lock);
}

void *registry_any(struct registry *registry, enum handle_kind kind, void **handle) {
  void *object = NULL;
  pthread_mutex_lock(&registry->lock);
  for (uint32_t i = 0; object == NULL && i < registry->count; i++) {
    if (registry->entries[i].object == NULL || registry->entries[i].kind != kind) continue;
    object = registry->entries[i].object;
    *handle = make_handle(registry, i);
  }
  pthread_mutex_unlock(&registry->lock);
  return object;
}
