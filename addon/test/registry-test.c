/* Handles: unknown numbers, kinds, users, children, generations, epochs. */
#include "../plugin/registry.h"
#include "check.h"
#include <stdlib.h>

static struct registry registry;
static int objects[1000];

static enum registry_result acquire(enum handle_kind kind, const void *handle) {
  void *object = NULL;
  return registry_acquire(&registry, kind, handle, &object);
}

static void kinds_and_users(void) {
  void *server, *image, *object;
  CHECK(registry_add(&registry, HANDLE_SERVER, &objects[0], &server) == REGISTRY_OK);
  CHECK(registry_add(&registry, HANDLE_IMAGE, &objects[1], &image) == REGISTRY_OK);
  CHECK(acquire(HANDLE_SERVER, image) == REGISTRY_UNKNOWN && acquire(HANDLE_IMAGE, server) == REGISTRY_UNKNOWN);
  CHECK(registry_acquire(&registry, HANDLE_IMAGE, image, &object) == REGISTRY_OK && object == &objects[1]);
  CHECK(acquire(HANDLE_IMAGE, image) == REGISTRY_BUSY);
  CHECK(registry_close(&registry, HANDLE_IMAGE, image, &object) == REGISTRY_BUSY);
  CHECK(acquire(HANDLE_SERVER, server) == REGISTRY_OK && acquire(HANDLE_SERVER, server) == REGISTRY_OK);
  registry_child(&registry, server, 1);
  registry_release(&registry, server);
  registry_release(&registry, server);
  CHECK(registry_close(&registry, HANDLE_SERVER, server, &object) == REGISTRY_BUSY);
  registry_release(&registry, image);
  CHECK(registry_close(&registry, HANDLE_IMAGE, image, &object) == REGISTRY_OK && object == &objects[1]);
  CHECK(acquire(HANDLE_IMAGE, image) == REGISTRY_BUSY);
  CHECK(registry_close(&registry, HANDLE_IMAGE, image, &object) == REGISTRY_BUSY);
  registry_remove(&registry, image);
  CHECK(acquire(HANDLE_IMAGE, image) == REGISTRY_UNKNOWN);
  registry_child(&registry, server, -1);
  CHECK(registry_close(&registry, HANDLE_SERVER, server, &object) == REGISTRY_OK);
  registry_remove(&registry, server);
  CHECK(registry.used == 0);
}

static void generations(void) {
  void *old = NULL, *handle, *object;
  /* More cycles than one entry has generations. */
  for (unsigned i = 0; i < 150000; i++) {
    if (registry_add(&registry, HANDLE_IMAGE, &objects[i % 1000], &handle) != REGISTRY_OK || handle == old ||
        acquire(HANDLE_IMAGE, old) != REGISTRY_UNKNOWN ||
        registry_close(&registry, HANDLE_IMAGE, handle, &object) != REGISTRY_OK ||
        object != &objects[i % 1000]) {
      CHECK(!"a handle was reused or lost");
      return;
    }
    registry_remove(&registry, handle);
    old = handle;
  }
  CHECK(registry.used == 0 && registry.count < 8);
}

static void bounds(void) {
  static void *handles[REGISTRY_MAX];
  unsigned made = 0;
  while (made < REGISTRY_MAX && registry_add(&registry, HANDLE_CHANNEL, objects, &handles[made]) == REGISTRY_OK)
    made++;
  CHECK(made > REGISTRY_MAX - 8);
  void *extra;
  CHECK(registry_add(&registry, HANDLE_CHANNEL, objects, &extra) == REGISTRY_FULL);
  for (unsigned i = 0; i < made; i++) registry_remove(&registry, handles[i]);
  CHECK(registry.used == 0 && registry_any(&registry, HANDLE_CHANNEL, &extra) == NULL);
  CHECK(registry_add(&registry, HANDLE_CHANNEL, objects, &extra) == REGISTRY_OK);
  registry_remove(&registry, extra);
}

static void made_up(void) {
  void *handle, *object;
  uint64_t state = 3;
  CHECK(registry_add(&registry, HANDLE_SERVER, objects, &handle) == REGISTRY_OK);
  for (unsigned i = 0; i < 100000; i++) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    if ((void *)(uintptr_t)state != handle &&
        acquire(HANDLE_SERVER, (void *)(uintptr_t)state) != REGISTRY_UNKNOWN)
      CHECK(!"a made-up handle was accepted");
  }
  for (unsigned bit = 0; bit < 64; bit++)
    CHECK(acquire(HANDLE_SERVER, (void *)((uintptr_t)handle ^ (UINT64_C(1) << bit))) == REGISTRY_UNKNOWN);
  CHECK(registry_any(&registry, HANDLE_SERVER, &object) == objects && object == handle);
  registry_free(&registry);
  registry_init(&registry, 2);
  CHECK(acquire(HANDLE_SERVER, handle) == REGISTRY_UNKNOWN);
  void *fresh;
  CHECK(registry_add(&registry, HANDLE_SERVER, objects, &fresh) == REGISTRY_OK && fresh != handle);
  CHECK(acquire(HANDLE_SERVER, handle) == REGISTRY_UNKNOWN);
}

int main(void) {
  registry_init(&registry, 1);
  kinds_and_users();
  generations();
  bounds();
  made_up();
  registry_free(&registry);
  return check_done("registry");
}
