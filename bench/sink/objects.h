/* What the sink remembers: names, sizes, the bytes of small objects, and the verdicts. One lock over all. */
#ifndef SINK_OBJECTS_H
#define SINK_OBJECTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "stamps.h"
#include "text.h"

/* Objects up to this size keep their bytes, those of an upload when it has one part: the index of an image of 100 GiB does, parts have more. */
#define KEEP_BYTES (4 * 1024 * 1024)
/* Parts up to this size are called by their MD5. */
#define SMALL_BYTES (64 * 1024)
#define ETAG_CHARS 40
#define UPLOAD_ID_CHARS 17

/* Names are `bucket/key` throughout. */
struct object {
  char *name;
  uint64_t size;
  int64_t modified; /* seconds since the epoch */
  char etag[ETAG_CHARS];
  uint8_t *bytes; /* NULL when not kept */
  bool judged;
  struct verdict verdict;
};

struct part {
  int number;
  uint64_t size;
  char etag[ETAG_CHARS];
  uint8_t *bytes; /* NULL when not kept */
  struct stamps stamps;
};

struct upload {
  char *name;
  char id[UPLOAD_ID_CHARS];
  int64_t initiated;
  struct part *parts; /* ascending */
  size_t count;
  size_t room;
};

struct objects {
  pthread_mutex_t lock;
  struct object **list; /* ascending by name */
  size_t count;
  size_t room;
  struct upload **uploads;
  size_t upload_count;
  size_t upload_room;
  uint64_t kept_bytes;
  uint64_t serial;
};

void objects_init(struct objects *objects);
void objects_free(struct objects *objects);

/* A new unique ETag. It has not the form of an MD5, so no client takes it for one. */
void objects_etag(struct objects *objects, char *etag);
/* The MD5 of a few bytes, as S3 calls a part: to answer so for all of them would be the sink's main work. */
void objects_md5(const uint8_t *bytes, size_t length, char *etag);
/* Replace an object; takes over `bytes` (KEEP_BYTES at most) and empties `stamps`. False: too many bytes are kept. */
bool objects_put(struct objects *objects, const char *name, uint64_t size, const char *etag, uint8_t *bytes,
                 struct stamps *stamps, bool judge);
void objects_remove(struct objects *objects, const char *name);
/* Copy of what is known about an object; `bytes` are a copy too, to be freed by the caller. */
bool objects_find(struct objects *objects, const char *name, struct object *found);

void uploads_begin(struct objects *objects, const char *name, char *id);
/* Takes over `bytes` (KEEP_BYTES at most) and empties `stamps`. False when there is no such upload of that name, as below. */
bool uploads_put(struct objects *objects, const char *name, const char *id, int number, uint64_t size,
                 const char *etag, uint8_t *bytes, struct stamps *stamps);
/* False also when too many bytes are kept. */
bool uploads_complete(struct objects *objects, const char *name, const char *id, bool judge, char *etag);
bool uploads_abort(struct objects *objects, const char *name, const char *id);

/* The answers of ListObjectsV2 (`after` is a name or a common prefix), ListMultipartUploads and ListParts. */
void objects_list(struct objects *objects, const char *bucket, const char *prefix, const char *after,
                  bool folders, size_t limit, struct text *out);
void uploads_list(struct objects *objects, const char *bucket, const char *prefix, struct text *out);
bool uploads_list_parts(struct objects *objects, const char *name, const char *id, int after, size_t limit,
                        struct text *out);
/* The verdicts as JSON members: totals and one entry per judged object, of which at most 1000. */
void objects_report(struct objects *objects, struct text *out);

#endif
