/* The listings and the report of objects.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "objects.h"

#define MAX_REPORTED 1000
#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

static void add_time(struct text *out, const char *tag, int64_t seconds) {
  char stamp[32];
  struct tm broken;
  time_t time = (time_t)seconds;
  gmtime_r(&time, &broken);
  strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S.000Z", &broken);
  text_add(out, "<%s>%s</%s>", tag, stamp, tag);
}

static void add_element(struct text *out, const char *tag, const char *value) {
  text_add(out, "<%s>", tag);
  text_escape(out, value);
  text_add(out, "</%s>", tag);
}

/* The key of a name when it lies in the bucket and begins with the prefix, else NULL. */
static const char *key_of(const char *name, const char *bucket, const char *prefix) {
  size_t length = strlen(bucket);
  if (strncmp(name, bucket, length) != 0 || name[length] != '/') return NULL;
  const char *key = name + length + 1;
  return strncmp(key, prefix, strlen(prefix)) == 0 ? key : NULL;
}

static void add_object(struct text *out, const struct object *object, const char *key) {
  text_add(out, "<Contents>");
  add_element(out, "Key", key);
  add_time(out, "LastModified", object->modified);
  text_add(out, "<ETag>&quot;%s&quot;</ETag><Size>%" PRIu64 "</Size></Contents>", object->etag, object->size);
}

void objects_list(struct objects *objects, const char *bucket, const char *prefix, const char *after,
                  bool folders, size_t limit, struct text *out) {
  struct text last = {0};
  text_add(&last, "%s", after);
  /* After a common prefix everything below it has been listed too. */
  size_t depth = strlen(after);
  bool skip_below = depth > 0 && after[depth - 1] == '/';
  size_t listed = 0;
  bool truncated = false;
  text_add(out, XML_HEAD "<ListBucketResult><Name>%s</Name>", bucket);
  pthread_mutex_lock(&objects->lock);
  for (size_t at = 0; at < objects->count; at++) {
    const char *key = key_of(objects->list[at]->name, bucket, prefix);
    if (!key || strcmp(key, last.data) <= 0) continue;
    if (skip_below && strncmp(key, last.data, last.length) == 0) continue;
    if (listed == limit) {
      truncated = true;
      break;
    }
    const char *slash = folders ? strchr(key + strlen(prefix), '/') : NULL;
    last.length = 0;
    text_add(&last, "%.*s", (int)(slash ? (size_t)(slash - key) + 1 : strlen(key)), key);
    skip_below = slash != NULL;
    if (slash) {
      text_add(out, "<CommonPrefixes>");
      add_element(out, "Prefix", last.data);
      text_add(out, "</CommonPrefixes>");
    } else {
      add_object(out, objects->list[at], key);
    }
    listed++;
  }
  pthread_mutex_unlock(&objects->lock);
  if (truncated) add_element(out, "NextContinuationToken", last.data);
  text_add(out, "<KeyCount>%zu</KeyCount><IsTruncated>%s</IsTruncated></ListBucketResult>", listed,
           truncated ? "true" : "false");
  text_free(&last);
}

void uploads_list(struct objects *objects, const char *bucket, const char *prefix, struct text *out) {
  text_add(out, XML_HEAD "<ListMultipartUploadsResult><Bucket>%s</Bucket>", bucket);
  pthread_mutex_lock(&objects->lock);
  for (size_t at = 0; at < objects->upload_count; at++) {
    const struct upload *upload = objects->uploads[at];
    const char *key = key_of(upload->name, bucket, prefix);
    if (!key) continue;
    text_add(out, "<Upload>");
    add_element(out, "Key", key);
    add_element(out, "UploadId", upload->id);
    add_time(out, "Initiated", upload->initiated);
    text_add(out, "</Upload>");
  }
  pthread_mutex_unlock(&objects->lock);
  text_add(out, "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>");
}

static const struct upload *upload_of(const struct objects *objects, const char *name, const char *id) {
  for (size_t at = 0; at < objects->upload_count; at++) {
    const struct upload *upload = objects->uploads[at];
    if (strcmp(upload->id, id) == 0 && strcmp(upload->name, name) == 0) return upload;
  }
  return NULL;
}

bool uploads_list_parts(struct objects *objects, const char *name, const char *id, int after, size_t limit,
                        struct text *out) {
  pthread_mutex_lock(&objects->lock);
  const struct upload *upload = upload_of(objects, name, id);
  if (upload) {
    size_t listed = 0;
    int last = after;
    bool truncated = false;
    text_add(out, XML_HEAD "<ListPartsResult><UploadId>%s</UploadId>", id);
    for (size_t at = 0; at < upload->count && !truncated; at++) {
      const struct part *part = &upload->parts[at];
      if (part->number <= after) continue;
      truncated = listed == limit;
      if (truncated) break;
      text_add(out, "<Part><PartNumber>%d</PartNumber>", part->number);
      add_time(out, "LastModified", upload->initiated);
      text_add(out, "<ETag>&quot;%s&quot;</ETag><Size>%" PRIu64 "</Size></Part>", part->etag, part->size);
      last = part->number;
      listed++;
    }
    text_add(out, "<NextPartNumberMarker>%d</NextPartNumberMarker><IsTruncated>%s</IsTruncated></ListPartsResult>",
             last, truncated ? "true" : "false");
  }
  pthread_mutex_unlock(&objects->lock);
  return upload != NULL;
}

static void add_verdict(struct text *out, const struct verdict *verdict) {
  text_add(out,
           "\"blocks\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"disorder\":%" PRIu64
           ",\"unaligned\":%" PRIu64,
           verdict->blocks, verdict->missing, verdict->duplicates, verdict->disorder, verdict->unaligned);
}

void objects_report(struct objects *objects, struct text *out) {
  struct verdict sum = {0};
  struct text entries = {0};
  size_t judged = 0, good = 0;
  pthread_mutex_lock(&objects->lock);
  for (size_t at = 0; at < objects->count; at++) {
    const struct object *object = objects->list[at];
    if (!object->judged) continue;
    const struct verdict *verdict = &object->verdict;
    sum.blocks += verdict->blocks;
    sum.missing += verdict->missing;
    sum.duplicates += verdict->duplicates;
    sum.disorder += verdict->disorder;
    sum.unaligned += verdict->unaligned;
    good += verdict_is_good(verdict) ? 1 : 0;
    if (judged++ >= MAX_REPORTED) continue;
    text_add(&entries, "%s{\"name\":\"", judged > 1 ? "," : "");
    text_escape(&entries, object->name);
    text_add(&entries, "\",\"size\":%" PRIu64 ",\"first\":%" PRIu64 ",", object->size, verdict->first);
    add_verdict(&entries, verdict);
    text_add(&entries, "}");
  }
  pthread_mutex_unlock(&objects->lock);
  text_add(out, "\"verified\":{\"objects\":%zu,\"good\":%zu,", judged, good);
  add_verdict(out, &sum);
  text_add(out, ",\"list\":[%s]}", entries.data ? entries.data : "");
  text_free(&entries);
}
