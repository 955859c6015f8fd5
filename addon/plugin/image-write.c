/* Writing: the host's bytes go into slots; full slots go to the engine. */
#include "fastest-copy.h"
#include "image.h"
#include <stdlib.h>
#include <string.h>

/* From here on a writer is sequential enough for pages to be faulted in ahead. */
#define PREFAULT_AFTER (1u << 20)
#define PREFAULT_STEP (4u << 20)

static struct slot *slot_of_chunk(const struct image *image, uint64_t chunk) {
  for (struct slot *slot = image->slots; slot != NULL; slot = slot->next)
    if (slot->chunk == chunk) return slot;
  return NULL;
}

/* ---- which chunks were handed over ---- */
static bool was_handed_over(const struct image *image, uint64_t chunk) {
  if (chunk < image->low) return true;
  for (uint32_t i = 0; i < image->ahead_count; i++)
    if (image->ahead[i] == chunk) return true;
  return false;
}

static void remove_ahead(struct image *image, uint32_t index) {
  image->ahead_count--;
  memmove(image->ahead + index, image->ahead + index + 1, (image->ahead_count - index) * sizeof(*image->ahead));
}

static void note_handed_over(struct image *image, uint64_t chunk) {
  if (chunk != image->low) {
    uint32_t at = 0;
    while (at < image->ahead_count && image->ahead[at] < chunk) at++;
    memmove(image->ahead + at + 1, image->ahead + at, (image->ahead_count - at) * sizeof(*image->ahead));
    image->ahead[at] = chunk;
    image->ahead_count++;
    return;
  }
  image->low++;
  while (image->ahead_count > 0 && image->ahead[0] == image->low) {
    remove_ahead(image, 0);
    image->low++;
  }
}

static bool room_to_note(struct image *image, uint64_t chunk) {
  if (chunk == image->low) return true;
  if (image->ahead == NULL) image->ahead = calloc(WIRE_MAX_IMAGE_SLOTS, sizeof(*image->ahead));
  return image->ahead != NULL && image->ahead_count + image->slot_count < WIRE_MAX_IMAGE_SLOTS;
}

static void hand_over(struct session *session, struct image *image, struct slot *slot, uint32_t flags) {
  slot->length = slot->coverage.prefix;
  slot->flags = flags;
  slot->state = SLOT_FULL;
  coverage_free(&slot->coverage);
  image->handed_over = true;
  note_handed_over(image, slot->chunk);
  struct wire_slot_full message = {image->handle, slot->chunk, slot->number, slot->length, flags};
  session_notify(session, WIRE_TYPE_SLOT_FULL, &message);
}

/* ---- getting a slot ---- */
struct room_wait {
  struct session *session;
  struct image *image;
  uint32_t limit;
};

static bool room_ready(void *argument) {
  struct room_wait *wait = argument;
  return wait->image->failed.status != STS_EOK || wait->image->slot_count < wait->limit;
}

/* How many slots the image may hold when it asks for this chunk: the last one of the window is kept for
   the lowest missing chunk, or writers out of order would block themselves. */
static uint32_t slot_limit(const struct image *image, uint64_t chunk) {
  return chunk == image->low ? image->window : image->window - 1;
}

/* Slots that will come back without anything more from the host. */
static bool slots_under_way(const struct image *image) {
  for (const struct slot *slot = image->slots; slot != NULL; slot = slot->next)
    if (slot->state == SLOT_FULL && slot->chunk < image->low) return true;
  return false;
}

static struct slot *start_want(struct session *session, struct image *image, uint64_t chunk, uint32_t number,
                               struct failure *failure) {
  struct slot *slot = image_slot_add(image, number, SLOT_WANTED);
  if (slot == NULL) {
    session_give_slot(session, number);
    fail(failure, STS_ENOMEM, "no memory for a slot");
    return NULL;
  }
  slot->chunk = chunk;
  slot->used = session->slots.warm[number];
  struct wire_slot_want message = {image->handle, chunk, number};
  slot->request = request_start(session, WIRE_TYPE_SLOT_WANT, &message, failure);
  if (slot->request != NULL) return slot;
  image_slot_return(session, image, slot, false);
  return NULL;
}

static int finish_want(struct session *session, struct image *image, struct slot *slot, uint64_t deadline,
                       struct failure *failure) {
  int status = request_wait(session, slot->request, deadline, failure);
  if (status != STS_EOK) {
    image_slot_abandon(session, image, slot);
    return status;
  }
  uint32_t present = slot->request->message.slot_granted.present;
  request_end(session, slot->request, NULL);
  slot->request = NULL;
  slot->state = SLOT_FILLING;
  if (present > image->chunk_bytes || present % STS_BLOCK_SIZE != 0) present = 0;
  coverage_init(&slot->coverage, image->chunk_bytes, present);
  slots_touched(&session->slots, slot->number, present);
  return STS_EOK;
}

/* The slot that takes bytes of this chunk, FILLING. */
static int slot_for(struct session *session, struct image *image, uint64_t chunk, struct slot **found,
                    struct failure *failure) {
  uint64_t deadline = clock_now() + session->config->data_timeout_ms;
  struct slot *slot = slot_of_chunk(image, chunk);
  *found = slot;
  if (slot != NULL && slot->state == SLOT_FILLING) return STS_EOK;
  if (was_handed_over(image, chunk))
    return fail(failure, STS_EINVAL, "bytes of chunk %llu (%u bytes each) were handed over already",
                (unsigned long long)chunk, image->chunk_bytes);
  session_poll(session);
  if (slot == NULL) {
    uint32_t limit = slot_limit(image, chunk), number;
    if (!room_to_note(image, chunk)) return fail(failure, STS_EINVAL, "too many chunks out of order");
    if (image->slot_count >= limit && !slots_under_way(image))
      return fail(
          failure, STS_EINVAL,
          "offset too far ahead: chunk %llu is outside the window of %u chunks while chunk %llu is missing",
          (unsigned long long)chunk, image->window, (unsigned long long)image->low);
    struct room_wait wait = {session, image, limit};
    int status = session_wait(session, room_ready, &wait, deadline, failure);
    if (status == STS_EOK && image->failed.status != STS_EOK) {
      *failure = image->failed;
      status = failure->status;
    }
    if (status == STS_EOK) status = image_wait_slot(session, image, image->chunk_bytes, deadline, &number, failure);
    if (status != STS_EOK) return status;
    slot = start_want(session, image, chunk, number, failure);
    if (slot == NULL) return failure->status;
  }
  *found = slot;
  return finish_want(session, image, slot, deadline, failure);
}

/* Ask for the next slot while the host still fills this one, so that its answer need not be waited for. */
static void ask_ahead(struct session *session, struct image *image, const struct slot *slot) {
  uint64_t next = slot->chunk + 1;
  struct failure ignored = {0};
  if (slot->chunk != image->low || slot->coverage.prefix < image->chunk_bytes / 2) return;
  if (session->state != SESSION_UP || image->slot_count + 1 >= image->window) return;
  if (session->slots.free_count <= session->slots.layout.slot_count / 4) return;
  if (slot_of_chunk(image, next) != NULL || was_handed_over(image, next)) return;
  start_want(session, image, next, slots_take(&session->slots, image->chunk_bytes), &ignored);
}

static int write_piece(struct session *session, struct image *image, const uint8_t *from, uint32_t length,
                       uint64_t offset, struct failure *failure) {
  uint32_t within = (uint32_t)(offset % image->chunk_bytes);
  struct slot *slot = NULL;
  int status = slot_for(session, image, offset / image->chunk_bytes, &slot, failure);
  if (status != STS_EOK) return status;
  bool steady = slot->coverage.prefix >= PREFAULT_AFTER && within <= slot->coverage.prefix;
  uint8_t *to = slots_address(&session->slots, slot->number) + within;
  pthread_mutex_unlock(&session->lock);
  slots_prepare(&session->slots, slot->number, within + length, steady ? PREFAULT_STEP : 0);
  copy_to_slot(to, from, length, within + length > slot->used);
  pthread_mutex_lock(&session->lock);
  if (!coverage_add(&slot->coverage, within, length))
    return fail(failure, STS_ENOMEM, "no memory for a write map");
  if (image->size < offset + length) image->size = offset + length;
  image->bytes += length;
  if (coverage_full(&slot->coverage))
    hand_over(session, image, slot, 0);
  else
    ask_ahead(session, image, slot);
  return STS_EOK;
}

int image_write(struct session *session, struct image *image, const uint8_t *buffer, uint64_t length,
                uint64_t offset, uint64_t *written, struct failure *failure) {
  int status = STS_EOK;
  pthread_mutex_lock(&session->lock);
  while (status == STS_EOK && *written < length) {
    uint64_t at = offset + *written;
    uint64_t room = image->chunk_bytes - at % image->chunk_bytes;
    uint32_t piece = (uint32_t)(length - *written < room ? length - *written : room);
    if (image->failed.status != STS_EOK) {
      *failure = image->failed;
      status = failure->status;
    } else {
      status = write_piece(session, image, buffer + *written, piece, at, failure);
    }
    if (status == STS_EOK) *written += piece;
  }
  session_drain(session);
  pthread_mutex_unlock(&session->lock);
  return status;
}

/* ---- closing ---- */
/* The first byte that was not written although a later one was, or the image's size. */
static uint64_t first_gap(const struct image *image) {
  const struct slot *slot = slot_of_chunk(image, image->low);
  uint64_t start = image->low * image->chunk_bytes;
  uint64_t end = start;
  if (slot != NULL && slot->state == SLOT_FILLING)
    end = start + slot->coverage.prefix;
  else if (image->kept > start)
    end = image->kept; /* a stored tail that nobody asked for */
  return end < image->size ? end : image->size;
}

/* Hand the short last chunk over, if there is one. */
static void hand_over_tail(struct session *session, struct image *image) {
  struct slot *slot = slot_of_chunk(image, image->low);
  if (slot == NULL || slot->state != SLOT_FILLING || slot->coverage.prefix == 0) return;
  hand_over(session, image, slot, WIRE_SLOT_LAST);
}

int image_finish_writing(struct session *session, struct image *image, uint32_t *mode, uint64_t *size,
                         struct failure *failure) {
  *size = image->size;
  if (image->committed || *mode == WIRE_CLOSE_ABANDON) return STS_EOK;
  if (image->failed.status != STS_EOK) {
    *failure = image->failed;
    *mode = WIRE_CLOSE_ABANDON;
    return failure->status;
  }
  uint64_t gap = first_gap(image);
  if (gap < image->size) {
    *size = gap;
    if (*mode == WIRE_CLOSE_COMPLETE)
      *mode = WIRE_CLOSE_ABANDON;
    else
      hand_over_tail(session, image);
    return fail(failure, STS_EINVAL, "bytes at offset %llu were never written; the image ends at %llu",
                (unsigned long long)gap, (unsigned long long)image->size);
  }
  hand_over_tail(session, image);
  return STS_EOK;
}
