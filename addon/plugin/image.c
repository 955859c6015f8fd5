#include "image.h"
#include <stdlib.h>
#include <string.h>

/* How long a stream waits for a free slot before it takes one that another image keeps for later reads. */
#define PATIENCE_MS 1000

struct image *image_new(struct session *session, uint32_t mode, const char *lsu, const sts_image_def_t *def,
                        struct failure *failure) {
  struct image *image = calloc(1, sizeof(*image));
  if (image == NULL) {
    fail(failure, STS_ENOMEM, "no memory for an image");
    return NULL;
  }
  image->handle = session_number(session);
  image->mode = mode;
  image->journal = SLOT_NONE;
  image->def = *def;
  image->began = clock_now();
  memcpy(image->lsu, lsu, strnlen(lsu, sizeof(image->lsu) - 1));
  /* In the order of their numbers, as ATTACH wants them. */
  struct image **link = &session->images;
  while (*link != NULL) link = &(*link)->next;
  *link = image;
  session->image_count++;
  return image;
}

void image_free(struct session *session, struct image *image) {
  struct image **link = &session->images;
  while (*link != image) link = &(*link)->next;
  *link = image->next;
  session->image_count--;
  while (image->slots != NULL) image_slot_return(session, image, image->slots, false);
  if (image->journal != SLOT_NONE) slots_give_journal(&session->slots, image->journal);
  /* Warm pages make the next image fast; more than a window for each open image is waste. */
  slots_trim(&session->slots, 2 + 8 * session->image_count);
  free(image->ahead);
  free(image);
}

struct image *image_find(struct session *session, uint64_t handle) {
  struct image *image = session->images;
  while (image != NULL && image->handle != handle) image = image->next;
  return image;
}

void image_fail(struct image *image, int status, const char *cause) {
  if (image->failed.status == STS_EOK) fail(&image->failed, status, "%s", cause);
}

struct wire_image_id image_wire_id(const sts_image_def_t *def) {
  return (struct wire_image_id){
      .basename = wire_text(def->img_basename),
      .date = wire_text(def->img_date),
      .fullname = wire_text(def->img_fullname),
      .number1 = def->img_number1,
      .number2 = def->img_number2,
      .text1 = wire_text(def->img_text1),
      .text2 = wire_text(def->img_text2),
  };
}

/* ---- slots ---- */
struct slot *image_slot_add(struct image *image, uint32_t number, enum slot_state state) {
  struct slot *slot = calloc(1, sizeof(*slot));
  if (slot == NULL) return NULL;
  *slot = (struct slot){.next = image->slots, .number = number, .state = state};
  image->slots = slot;
  image->slot_count++;
  return slot;
}

void image_slot_drop(struct image *image, struct slot *slot) {
  struct slot **link = &image->slots;
  while (*link != slot) link = &(*link)->next;
  *link = slot->next;
  image->slot_count--;
  coverage_free(&slot->coverage);
  free(slot);
}

void image_slot_return(struct session *session, struct image *image, struct slot *slot, bool tell) {
  if (tell) {
    struct wire_slot message = {image->handle, slot->number};
    session_notify(session, WIRE_TYPE_SLOT_RETURN, &message);
  }
  session_give_slot(session, slot->number);
  image_slot_drop(image, slot);
}

/* The answer to a request that nobody waits for: what it granted goes back. */
static void slot_orphan(struct session *session, struct request *request, bool lost) {
  if (!lost && request->result == WIRE_OK) {
    struct wire_slot message = {request->handle, request->slot};
    session_notify(session, WIRE_TYPE_SLOT_RETURN, &message);
  }
  session_give_slot(session, request->slot);
}

void image_slot_abandon(struct session *session, struct image *image, struct slot *slot) {
  struct request *request = slot->request;
  if (request->done) {
    bool granted = request->result == WIRE_OK;
    request_end(session, request, NULL);
    image_slot_return(session, image, slot, granted);
    return;
  }
  request->slot = slot->number;
  request->handle = image->handle;
  request_end(session, request, slot_orphan);
  image_slot_drop(image, slot);
}

/* The read slot of any image that was not used for the longest time; NULL: there is none. */
static struct slot *oldest_kept(const struct session *session, struct image **owner) {
  struct slot *oldest = NULL;
  for (struct image *image = session->images; image != NULL; image = image->next)
    for (struct slot *slot = image->slots; slot != NULL; slot = slot->next)
      if (slot->state == SLOT_READ && !slot->pinned && (oldest == NULL || slot->stamp < oldest->stamp)) {
        oldest = slot;
        *owner = image;
      }
  return oldest;
}

uint32_t image_take_slot(struct session *session, uint32_t bytes) {
  struct image *owner;
  struct slot *kept = session->slots.free_count == 0 ? oldest_kept(session, &owner) : NULL;
  if (kept != NULL) image_slot_return(session, owner, kept, true);
  return slots_take(&session->slots, bytes);
}

struct slot_wait {
  struct session *session;
  struct image *image;
  uint64_t began;
};

static bool slot_ready(void *argument) {
  struct slot_wait *wait = argument;
  struct image *owner;
  if (wait->image->failed.status != STS_EOK || session_slot_free(wait->session)) return true;
  /* Readers that go on make room by themselves; one that pauses keeps what it has. */
  return clock_now() - wait->began >= PATIENCE_MS && oldest_kept(wait->session, &owner) != NULL;
}

int image_wait_slot(struct session *session, struct image *image, uint32_t bytes, uint64_t deadline,
                    uint32_t *number, struct failure *failure) {
  for (;;) {
    *number = image_take_slot(session, bytes);
    if (*number != SLOT_NONE) return STS_EOK;
    struct slot_wait wait = {session, image, clock_now()};
    int status = session_wait_slot(session, slot_ready, &wait, deadline, failure);
    if (status == STS_EOK && image->failed.status != STS_EOK) {
      *failure = image->failed;
      status = failure->status;
    }
    if (status != STS_EOK) {
      session_wake(session);
      return status;
    }
  }
}

bool image_slot_freed(struct session *session, uint64_t handle, uint32_t number) {
  struct image *image = image_find(session, handle);
  if (image == NULL) return true; /* crossed our close */
  for (struct slot *slot = image->slots; slot != NULL; slot = slot->next) {
    if (slot->number != number) continue;
    if (slot->state != SLOT_FULL) return false;
    image_slot_return(session, image, slot, false);
    return true;
  }
  return image->committed;
}

/* ---- attach ---- */
static void attached(struct session *session, struct request *request, bool lost) {
  struct image *image = image_find(session, request->handle);
  if (lost || image == NULL) return;
  if (request->result != WIRE_OK) {
    struct failure failure = {0};
    request_result(request, &failure);
    image_fail(image, failure.status, failure.cause);
    return;
  }
  if (request->message.image_attached.state != WIRE_ATTACH_COMMITTED) return;
  image->committed = true;
  for (struct slot *slot = image->slots, *next; slot != NULL; slot = next) {
    next = slot->next;
    if (slot->state == SLOT_FULL) image_slot_return(session, image, slot, false);
  }
}

static uint16_t attach_slots(const struct image *image, struct wire_attach_slot *items) {
  uint16_t count = 0;
  for (const struct slot *slot = image->slots; slot != NULL && count < WIRE_MAX_IMAGE_SLOTS;
       slot = slot->next) {
    struct wire_attach_slot *item = &items[count];
    *item = (struct wire_attach_slot){.slot = slot->number, .chunk = slot->chunk};
    if (slot->state == SLOT_FILLING) {
      item->state = WIRE_SLOT_FILLING;
      item->length = slot->coverage.prefix;
    } else if (slot->state == SLOT_FULL) {
      item->state = WIRE_SLOT_FULL;
      item->length = slot->length;
      item->flags = slot->flags;
    } else if (slot->state == SLOT_READ) {
      item->state = WIRE_SLOT_READ;
      item->start = slot->start;
      item->length = slot->length;
    } else {
      continue; /* the request that it waits for is sent again */
    }
    count++;
  }
  return count;
}

static void attach(struct session *session, struct image *image) {
  struct failure failure = {0};
  struct wire_attach_slot *items = calloc(image->slot_count + 1, sizeof(*items));
  if (items == NULL) {
    image_fail(image, STS_ENOMEM, "no memory to attach the image again");
    return;
  }
  struct wire_image_attach message = {
      .handle = image->handle,
      .server = image->server,
      .lsu = wire_text(image->lsu),
      .id = image_wire_id(&image->def),
      .mode = image->mode,
      .journal = image->journal,
      .chunk_bytes = image->chunk_bytes,
      .slots = {.items = items, .count = attach_slots(image, items)},
  };
  struct request *request = request_start(session, WIRE_TYPE_IMAGE_ATTACH, &message, &failure);
  free(items);
  if (request == NULL) {
    image_fail(image, failure.status, failure.cause);
    return;
  }
  request->transient = true;
  request->handle = image->handle;
  request_end(session, request, attached);
}

void image_attach_all(struct session *session) {
  for (struct image *image = session->images; image != NULL; image = image->next)
    if (image->opened) attach(session, image);
}
