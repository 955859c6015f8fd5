#include "objects.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bound on the bytes of small objects, all together. */
#define MAX_KEPT_BYTES (256ULL * 1024 * 1024)

void objects_init(struct objects *objects) {
  *objects = (struct objects){0};
  pthread_mutex_init(&objects->lock, NULL);
}

static void free_object(struct object *object) {
  free(object->name);
  free(object->bytes);
  free(object);
}

static void free_part(struct part *part) {
  stamps_free(&part->stamps);
  free(part->bytes);
}

static void free_upload(struct upload *upload) {
  for (size_t at = 0; at < upload->count; at++) free_part(&upload->parts[at]);
  free(upload->parts);
  free(upload->name);
  free(upload);
}

void objects_free(struct objects *objects) {
  for (size_t at = 0; at < objects->count; at++) free_object(objects->list[at]);
  for (size_t at = 0; at < objects->upload_count; at++) free_upload(objects->uploads[at]);
  free(objects->list);
  free(objects->uploads);
  pthread_mutex_destroy(&objects->lock);
}

void objects_etag(struct objects *objects, char *etag) {
  pthread_mutex_lock(&objects->lock);
  snprintf(etag, ETAG_CHARS, "%016" PRIx64, ++objects->serial);
  pthread_mutex_unlock(&objects->lock);
}

void objects_md5(const uint8_t *bytes, size_t length, char *etag) {
  unsigned char md5[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes, length, md5, &size, EVP_md5(), NULL);
  for (unsigned int at = 0; at < size && at < 16; at++) snprintf(etag + 2 * at, 3, "%02x", md5[at]);
}

/* What S3 calls an object of one part; left as it is when the part's ETag is no MD5. */
static void joined_etag(const char *part, char *etag) {
  uint8_t md5[16];
  if (strlen(part) != 2 * sizeof md5) return;
  for (size_t at = 0; at < sizeof md5; at++) {
    unsigned int byte;
    if (sscanf(part + 2 * at, "%2x", &byte) != 1) return;
    md5[at] = (uint8_t)byte;
  }
  objects_md5(md5, sizeof md5, etag);
  snprintf(etag + 2 * sizeof md5, ETAG_CHARS - 2 * sizeof md5, "-1");
}

/* Where a name is, or would be. */
static size_t place_of(const struct objects *objects, const char *name) {
  size_t from = 0, to = objects->count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (strcmp(objects->list[middle]->name, name) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

static struct object *find(const struct objects *objects, const char *name, size_t *place) {
  *place = place_of(objects, name);
  if (*place == objects->count || strcmp(objects->list[*place]->name, name) != 0) return NULL;
  return objects->list[*place];
}

static void remove_at(struct objects *objects, size_t place) {
  struct object *object = objects->list[place];
  if (object->bytes) objects->kept_bytes -= object->size;
  free_object(object);
  objects->count--;
  memmove(&objects->list[place], &objects->list[place + 1], (objects->count - place) * sizeof *objects->list);
}

static struct object *insert(struct objects *objects, const char *name) {
  size_t place;
  if (find(objects, name, &place)) remove_at(objects, place);
  if (objects->count == objects->room) {
    objects->room = objects->room ? 2 * objects->room : 64;
    objects->list = must_grow(objects->list, objects->room * sizeof *objects->list);
  }
  memmove(&objects->list[place + 1], &objects->list[place], (objects->count - place) * sizeof *objects->list);
  struct object *object = must_alloc(sizeof *object);
  object->name = must_copy(name);
  object->modified = time(NULL);
  objects->list[place] = object;
  objects->count++;
  return object;
}

bool objects_put(struct objects *objects, const char *name, uint64_t size, const char *etag, uint8_t *bytes,
                 struct stamps *stamps, bool judge) {
  pthread_mutex_lock(&objects->lock);
  bool room = !bytes || objects->kept_bytes + size <= MAX_KEPT_BYTES;
  if (room) {
    struct object *object = insert(objects, name);
    object->size = size;
    object->bytes = bytes;
    if (bytes) objects->kept_bytes += size;
    snprintf(object->etag, sizeof object->etag, "%s", etag);
    object->judged = judge;
    if (judge) object->verdict = stamps_judge((const struct stamps *const[]){stamps}, 1);
  } else {
    free(bytes);
  }
  pthread_mutex_unlock(&objects->lock);
  stamps_free(stamps);
  return room;
}

void objects_remove(struct objects *objects, const char *name) {
  pthread_mutex_lock(&objects->lock);
  size_t place;
  if (find(objects, name, &place)) remove_at(objects, place);
  pthread_mutex_unlock(&objects->lock);
}

bool objects_find(struct objects *objects, const char *name, struct object *found) {
  pthread_mutex_lock(&objects->lock);
  size_t place;
  const struct object *object = find(objects, name, &place);
  if (object) {
    *found = *object;
    found->name = NULL;
    if (object->bytes) {
      found->bytes = must_alloc(object->size);
      memcpy(found->bytes, object->bytes, object->size);
    }
  }
  pthread_mutex_unlock(&objects->lock);
  return object != NULL;
}

static struct upload *find_upload(const struct objects *objects, const char *name, const char *id, size_t *place) {
  for (*place = 0; *place < objects->upload_count; ++*place) {
    struct upload *upload = objects->uploads[*place];
    if (strcmp(upload->id, id) == 0 && strcmp(upload->name, name) == 0) return upload;
  }
  return NULL;
}

static void remove_upload(struct objects *objects, size_t place) {
  free_upload(objects->uploads[place]);
  objects->uploads[place] = objects->uploads[--objects->upload_count];
}

void uploads_begin(struct objects *objects, const char *name, char *id) {
  objects_etag(objects, id);
  pthread_mutex_lock(&objects->lock);
  if (objects->upload_count == objects->upload_room) {
    objects->upload_room = objects->upload_room ? 2 * objects->upload_room : 16;
    objects->uploads = must_grow(objects->uploads, objects->upload_room * sizeof *objects->uploads);
  }
  struct upload *upload = must_alloc(sizeof *upload);
  upload->name = must_copy(name);
  upload->initiated = time(NULL);
  snprintf(upload->id, sizeof upload->id, "%s", id);
  objects->uploads[objects->upload_count++] = upload;
  pthread_mutex_unlock(&objects->lock);
}

static struct part *part_of(struct upload *upload, int number) {
  size_t at = 0;
  while (at < upload->count && upload->parts[at].number < number) at++;
  if (at < upload->count && upload->parts[at].number == number) {
    free_part(&upload->parts[at]);
    return &upload->parts[at];
  }
  if (upload->count == upload->room) {
    upload->room = upload->room ? 2 * upload->room : 64;
    upload->parts = must_grow(upload->parts, upload->room * sizeof *upload->parts);
  }
  memmove(&upload->parts[at + 1], &upload->parts[at], (upload->count - at) * sizeof *upload->parts);
  upload->count++;
  return &upload->parts[at];
}

bool uploads_put(struct objects *objects, const char *name, const char *id, int number, uint64_t size,
                 const char *etag, uint8_t *bytes, struct stamps *stamps) {
  pthread_mutex_lock(&objects->lock);
  size_t place;
  struct upload *upload = find_upload(objects, name, id, &place);
  if (upload) {
    struct part *part = part_of(upload, number);
    *part = (struct part){.number = number, .size = size, .bytes = bytes, .stamps = *stamps};
    bytes = NULL;
    snprintf(part->etag, sizeof part->etag, "%s", etag);
    *stamps = (struct stamps){0};
  }
  pthread_mutex_unlock(&objects->lock);
  stamps_free(stamps);
  free(bytes);
  return upload != NULL;
}

bool uploads_complete(struct objects *objects, const char *name, const char *id, bool judge, char *etag) {
  objects_etag(objects, etag);
  pthread_mutex_lock(&objects->lock);
  size_t place;
  struct upload *upload = find_upload(objects, name, id, &place);
  struct part *only = upload && upload->count == 1 && upload->parts[0].bytes ? &upload->parts[0] : NULL;
  if (only && objects->kept_bytes + only->size > MAX_KEPT_BYTES) upload = NULL;
  if (upload) {
    struct object *object = insert(objects, name);
    if (only) {
      joined_etag(only->etag, etag);
      object->bytes = only->bytes;
      only->bytes = NULL;
      objects->kept_bytes += only->size;
    }
    snprintf(object->etag, sizeof object->etag, "%s", etag);
    const struct stamps **bodies = must_alloc(upload->count * sizeof *bodies);
    for (size_t at = 0; at < upload->count; at++) {
      object->size += upload->parts[at].size;
      bodies[at] = &upload->parts[at].stamps;
    }
    object->judged = judge;
    if (judge) object->verdict = stamps_judge(bodies, upload->count);
    free(bodies);
    remove_upload(objects, place);
  }
  pthread_mutex_unlock(&objects->lock);
  return upload != NULL;
}

bool uploads_abort(struct objects *objects, const char *name, const char *id) {
  pthread_mutex_lock(&objects->lock);
  size_t place;
  bool known = find_upload(objects, name, id, &place) != NULL;
  if (known) remove_upload(objects, place);
  pthread_mutex_unlock(&objects->lock);
  return known;
}
