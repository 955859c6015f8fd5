/* Reading: the engine puts verified ranges into slots; the host's reads are served from there. */
#include "fastest-copy.h"
#include "image.h"
#include <stdlib.h>
#include <string.h>

/* Ranges that a scattered reader keeps, and the fewest that any reader may hold. */
#define KEPT_RANGES 4
/* Reads in a row, each beginning where the one before ended, that make a reader sequential. */
#define STREAK 2

static bool holds(const struct slot *slot, uint64_t offset) {
  return offset >= slot->start && offset - slot->start < slot->length;
}

/* The slot that holds the byte, or that was asked for it. */
static struct slot *slot_at(const struct image *image, uint64_t offset) {
  struct slot *coming = NULL;
  for (struct slot *slot = image->slots; slot != NULL; slot = slot->next) {
    if (!holds(slot, offset)) continue;
    if (slot->state == SLOT_READ) return slot;
    coming = slot;
  }
  return coming;
}

static uint32_t sequential_depth(const struct session *session, const struct image *image) {
  if (image->streak < STREAK || session->config->read_ahead == 0) return 0;
  /* Grows with the reader's patience: one slot first, all of them for a long run. */
  uint32_t depth = image->streak - STREAK + 1;
  return depth < session->config->read_ahead ? depth : session->config->read_ahead;
}

static void drop_oldest(struct session *session, struct image *image, uint32_t keep) {
  while (image->slot_count > keep) {
    struct slot *oldest = NULL;
    for (struct slot *slot = image->slots; slot != NULL; slot = slot->next)
      if (slot->state == SLOT_READ && (oldest == NULL || slot->stamp < oldest->stamp)) oldest = slot;
    if (oldest == NULL) return;
    image_slot_return(session, image, oldest, true);
  }
}

static struct slot *start_read(struct session *session, struct image *image, uint64_t offset, uint32_t length,
                               uint32_t hint, uint32_t number, struct failure *failure) {
  struct slot *slot = image_slot_add(image, number, SLOT_READING);
  if (slot == NULL) {
    session_give_slot(session, number);
    fail(failure, STS_ENOMEM, "no memory for a slot");
    return NULL;
  }
  slot->start = offset;
  slot->length = length;
  /* The engine makes pages now, whether anybody takes the answer or not. */
  slots_touched(&session->slots, number, length);
  struct wire_image_read message = {image->handle, offset, length, number, hint};
  slot->request = request_start(session, WIRE_TYPE_IMAGE_READ, &message, failure);
  if (slot->request != NULL) return slot;
  image_slot_return(session, image, slot, false);
  return NULL;
}

/* Take the answer. The range has to contain the byte that was asked for and lie inside the slot. */
static int finish_read(struct session *session, struct image *image, struct slot *slot,
                       struct failure *failure) {
  uint64_t deadline = clock_now() + session->config->data_timeout_ms;
  int status = request_wait(session, slot->request, deadline, failure);
  if (status != STS_EOK) {
    image_slot_abandon(session, image, slot);
    return status;
  }
  struct wire_image_range range = slot->request->message.image_range;
  uint64_t offset = slot->start;
  bool good = range.start <= offset && range.length > 0 && offset - range.start < range.length &&
              (uint64_t)range.slot_offset + range.length <= session->slots.layout.slot_bytes;
  if (!good) {
    image_slot_abandon(session, image, slot);
    return fail(failure, STS_EPLUGIN, "the engine answered a read at %llu with a range that does not hold it",
                (unsigned long long)offset);
  }
  request_end(session, slot->request, NULL);
  slot->request = NULL;
  slot->state = SLOT_READ;
  slot->start = range.start;
  slot->length = range.length;
  slot->offset = range.slot_offset;
  slots_touched(&session->slots, slot->number, range.slot_offset + range.length);
  return STS_EOK;
}

/* How much to ask for from here on: to the end of the chunk, so that ranges meet without overlap. */
static uint32_t slot_span(const struct session *session, const struct image *image, uint64_t offset) {
  uint64_t left = image->info.size - offset;
  uint64_t span = session->slots.layout.slot_bytes;
  if (image->chunk_bytes > 0) span = image->chunk_bytes - offset % image->chunk_bytes;
  return (uint32_t)(left < span ? left : span);
}

/* Keep `depth` ranges beyond `from` on their way, as far as slots are plenty. */
static void read_ahead(struct session *session, struct image *image, uint64_t from, uint32_t depth) {
  struct failure ignored = {0};
  if (session->state != SESSION_UP) return;
  for (uint32_t i = 0; i < depth && from < image->info.size; i++) {
    const struct slot *slot = slot_at(image, from);
    if (slot == NULL) {
      if (session->slots.free_count <= session->slots.layout.slot_count / 4) return;
      uint32_t span = slot_span(session, image, from), number = slots_take(&session->slots, span);
      slot = start_read(session, image, from, span, WIRE_HINT_SEQUENTIAL, number, &ignored);
      if (slot == NULL) return;
    }
    from = slot->start + slot->length;
  }
}

/* A slot that holds the byte at `offset`. */
static int slot_for(struct session *session, struct image *image, uint64_t offset, uint64_t length,
                    struct slot **found, struct failure *failure) {
  struct slot *slot = slot_at(image, offset);
  int status = STS_EOK;
  uint32_t depth = sequential_depth(session, image);
  if (slot == NULL) {
    uint32_t keep = KEPT_RANGES > depth + 1 ? KEPT_RANGES : depth + 1;
    uint32_t number, span = slot_span(session, image, offset);
    uint64_t deadline = clock_now() + session->config->data_timeout_ms;
    drop_oldest(session, image, keep - 1);
    bool sequential = image->streak >= STREAK;
    if (!sequential && length < span) span = (uint32_t)length;
    status = image_wait_slot(session, image, span, deadline, &number, failure);
    if (status != STS_EOK) return status;
    slot = start_read(session, image, offset, span, sequential ? WIRE_HINT_SEQUENTIAL : WIRE_HINT_SCATTERED,
                      number, failure);
    if (slot == NULL) return failure->status;
  }
  if (slot->state == SLOT_READING) {
    read_ahead(session, image, slot->start + slot->length, depth);
    status = finish_read(session, image, slot, failure);
    if (status != STS_EOK) return status;
    /* An answer that was made before the byte was asked for may begin later. */
    if (!holds(slot, offset)) return slot_for(session, image, offset, length, found, failure);
  }
  slot->stamp = ++image->stamp;
  *found = slot;
  return STS_EOK;
}

static int read_piece(struct session *session, struct image *image, uint8_t *to, uint64_t length,
                      uint64_t offset, uint32_t *moved, struct failure *failure) {
  struct slot *slot = NULL;
  int status = slot_for(session, image, offset, length, &slot, failure);
  if (status != STS_EOK) return status;
  uint64_t within = offset - slot->start;
  uint32_t piece = (uint32_t)(length < slot->length - within ? length : slot->length - within);
  const uint8_t *from = slots_address(&session->slots, slot->number) + slot->offset + within;
  slot->pinned = true;
  pthread_mutex_unlock(&session->lock);
  copy_from_slot(to, from, piece);
  pthread_mutex_lock(&session->lock);
  slot->pinned = false;
  uint32_t depth = sequential_depth(session, image);
  if (depth > 0) {
    read_ahead(session, image, slot->start + slot->length, depth);
    /* A sequential reader does not come back: make room at once. */
    if (within + piece == slot->length) image_slot_return(session, image, slot, true);
  }
  *moved = piece;
  return STS_EOK;
}

int image_read(struct session *session, struct image *image, uint8_t *buffer, uint64_t length, uint64_t offset,
               uint64_t *got, struct failure *failure) {
  int status = STS_EOK;
  pthread_mutex_lock(&session->lock);
  if (offset >= image->info.size)
    length = 0;
  else if (length > image->info.size - offset)
    length = image->info.size - offset;
  if (length > 0) image->streak = offset == image->next_offset ? image->streak + 1 : 0;
  while (status == STS_EOK && *got < length) {
    uint32_t piece = 0;
    if (image->failed.status != STS_EOK) {
      *failure = image->failed;
      status = failure->status;
    } else {
      status = read_piece(session, image, buffer + *got, length - *got, offset + *got, &piece, failure);
    }
    *got += piece;
    image->bytes += piece;
  }
  image->next_offset = offset + *got;
  session_drain(session);
  pthread_mutex_unlock(&session->lock);
  return status;
}
