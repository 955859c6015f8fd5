/* Just enough of S3 (docs.aws.amazon.com/AmazonS3/latest/API) for clients to write at full speed; no signatures are checked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "connection.h"

/* Bodies that are no payload: the lists of CompleteMultipartUpload and DeleteObjects. */
#define MAX_DOCUMENT_BYTES (4 * 1024 * 1024)
#define PAGE 1000

struct call {
  struct connection *connection;
  struct objects *objects;
  const struct request *request;
  char bucket[NAME_ROOM];
  const char *key; /* "" for a request about the bucket */
  bool has_upload;
  char upload[VALUE_ROOM];
};

static bool is(const struct call *call, const char *method) { return strcmp(call->request->method, method) == 0; }

static bool answer_text(struct call *call, struct text *text) {
  bool sent = connection_answer(call->connection, "200 OK", "Content-Type: application/xml\r\n", text->data, text->length);
  text_free(text);
  return sent;
}

static bool answer_error(struct call *call, const char *status, const char *code) {
  char body[256];
  int length = snprintf(body, sizeof body, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message></Error>",
                        code, code);
  return connection_answer(call->connection, status, "Content-Type: application/xml\r\n", is(call, "HEAD") ? NULL : body,
                           (uint64_t)length);
}

static bool answer_empty(struct call *call, const char *status) {
  return connection_answer(call->connection, status, "", NULL, 0);
}

static bool answer_etag(struct call *call, const char *etag) {
  char header[128];
  snprintf(header, sizeof header, "ETag: \"%s\"\r\n%s", etag,
           call->connection->sink->kms ? "x-amz-server-side-encryption: aws:kms\r\n" : "");
  return connection_answer(call->connection, "200 OK", header, NULL, 0);
}

static bool no_such_upload(struct call *call) { return answer_error(call, "404 Not Found", "NoSuchUpload"); }

static bool put_part(struct call *call) {
  const struct request *request = call->request;
  char text[VALUE_ROOM];
  int number = request_parameter(request, "partNumber", text) ? atoi(text) : 0;
  if (number < 1 || number > 10000) {
    answer_error(call, "400 Bad Request", "InvalidArgument");
    return false; /* the body is still to come */
  }
  struct stamps stamps = {0};
  bool verify = call->connection->sink->verify && !request->encoded;
  uint8_t *bytes = request->content_length <= KEEP_BYTES && !request->encoded ? must_alloc(request->content_length) : NULL;
  const struct body body = {.keep = bytes, .stamps = verify ? &stamps : NULL, .throttled = true};
  if (!connection_drain(call->connection, request->content_length, &body)) {
    stamps_free(&stamps);
    free(bytes);
    return false;
  }
  char etag[ETAG_CHARS];
  if (bytes && request->content_length <= SMALL_BYTES) objects_md5(bytes, request->content_length, etag);
  else objects_etag(call->objects, etag);
  if (!uploads_put(call->objects, request->path, call->upload, number, request->payload_length, etag, bytes, &stamps))
    return no_such_upload(call);
  return answer_etag(call, etag);
}

/*
 * The payload of an aws-chunked body, moved to its front: chunks of `hex;signature CRLF data CRLF`, the last one empty.
 * False when it is not `payload` bytes long.
 */
static bool decode_chunks(uint8_t *bytes, uint64_t length, uint64_t payload) {
  uint64_t from = 0, to = 0;
  while (to < payload) {
    uint8_t *end = memmem(bytes + from, length - from, "\r\n", 2);
    if (!end) return false;
    *end = '\0';
    uint64_t chunk = strtoull((char *)bytes + from, NULL, 16);
    from = (uint64_t)(end - bytes) + 2;
    if (chunk == 0 || chunk > payload - to || chunk + 2 > length - from) return false;
    memmove(bytes + to, bytes + from, chunk);
    to += chunk;
    from += chunk + 2;
  }
  return true;
}

static bool put_object(struct call *call) {
  const struct request *request = call->request;
  bool small = request->payload_length <= KEEP_BYTES && request->content_length <= 2 * KEEP_BYTES;
  bool verify = call->connection->sink->verify && !small && !request->encoded;
  struct stamps stamps = {0};
  uint8_t *bytes = small ? must_alloc(request->content_length) : NULL;
  const struct body body = {.keep = bytes, .stamps = verify ? &stamps : NULL, .throttled = true};
  if (!connection_drain(call->connection, request->content_length, &body)) {
    free(bytes);
    stamps_free(&stamps);
    return false;
  }
  if (small && request->encoded && !decode_chunks(bytes, request->content_length, request->payload_length)) {
    free(bytes);
    return answer_error(call, "400 Bad Request", "IncompleteBody");
  }
  char etag[ETAG_CHARS];
  objects_etag(call->objects, etag);
  if (!objects_put(call->objects, request->path, request->payload_length, etag, bytes, &stamps, verify))
    return answer_error(call, "507 Insufficient Storage", "InsufficientStorage");
  return answer_etag(call, etag);
}

/* The body of a request that is no payload, as text; NULL when the client left or sent too much. */
static char *read_document(struct call *call) {
  uint64_t length = call->request->content_length;
  if (length > MAX_DOCUMENT_BYTES) return NULL;
  char *document = must_alloc(length + 1);
  const struct body body = {.keep = (uint8_t *)document};
  if (connection_drain(call->connection, length, &body)) return document;
  free(document);
  return NULL;
}

/* Keys are taken as they stand: those of a backup hold no character that XML escapes. */
static bool delete_many(struct call *call) {
  char *document = read_document(call);
  if (!document) return false;
  for (char *at = document; (at = strstr(at, "<Key>"));) {
    char *key = at + strlen("<Key>"), *end = strstr(key, "</Key>");
    if (!end) break;
    *end = '\0';
    struct text name = {0};
    text_add(&name, "%s/%s", call->bucket, key);
    objects_remove(call->objects, name.data);
    text_free(&name);
    at = end + 1;
  }
  free(document);
  struct text out = {0};
  text_add(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DeleteResult></DeleteResult>");
  return answer_text(call, &out);
}

static bool begin_upload(struct call *call) {
  char id[UPLOAD_ID_CHARS];
  uploads_begin(call->objects, call->request->path, id);
  struct text out = {0};
  text_add(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>",
           call->bucket);
  text_escape(&out, call->key);
  text_add(&out, "</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id);
  return answer_text(call, &out);
}

/* All parts are taken, whatever the client's list says. */
static bool complete_upload(struct call *call) {
  char etag[ETAG_CHARS];
  bool verify = call->connection->sink->verify;
  if (!uploads_complete(call->objects, call->request->path, call->upload, verify, etag)) return no_such_upload(call);
  struct text out = {0};
  text_add(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CompleteMultipartUploadResult><Bucket>%s</Bucket><Key>",
           call->bucket);
  text_escape(&out, call->key);
  text_add(&out, "</Key><ETag>&quot;%s&quot;</ETag></CompleteMultipartUploadResult>", etag);
  return answer_text(call, &out);
}

static size_t limit_of(const struct call *call, const char *name) {
  char text[VALUE_ROOM];
  long limit = request_parameter(call->request, name, text) ? atol(text) : PAGE;
  return limit >= 1 && limit <= PAGE ? (size_t)limit : PAGE;
}

static bool list_bucket(struct call *call) {
  const struct request *request = call->request;
  char prefix[VALUE_ROOM] = "", after[VALUE_ROOM] = "", text[VALUE_ROOM];
  request_parameter(request, "prefix", prefix);
  struct text out = {0};
  if (request_parameter(request, "location", NULL)) {
    text_add(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><LocationConstraint/>");
  } else if (request_parameter(request, "uploads", NULL)) {
    uploads_list(call->objects, call->bucket, prefix, &out);
  } else {
    if (!request_parameter(request, "continuation-token", after)) request_parameter(request, "start-after", after);
    bool folders = request_parameter(request, "delimiter", text) && strcmp(text, "/") == 0;
    objects_list(call->objects, call->bucket, prefix, after, folders, limit_of(call, "max-keys"), &out);
  }
  return answer_text(call, &out);
}

static bool list_parts(struct call *call) {
  char text[VALUE_ROOM];
  int after = request_parameter(call->request, "part-number-marker", text) ? atoi(text) : 0;
  struct text out = {0};
  if (!uploads_list_parts(call->objects, call->request->path, call->upload, after, limit_of(call, "max-parts"), &out))
    return no_such_upload(call);
  return answer_text(call, &out);
}

/* The bytes that were kept, or stamped blocks in place of those that were not. */
static bool send_bytes(struct call *call, const struct object *object, uint64_t offset, uint64_t length) {
  bool sent = object->bytes ? connection_send(call->connection, object->bytes + offset, length)
                            : connection_send_stamped(call->connection, offset, length);
  if (sent) call->connection->sink->bytes_out += length;
  return sent;
}

static bool read_object(struct call *call) {
  const struct request *request = call->request;
  struct object object;
  if (!objects_find(call->objects, request->path, &object)) return answer_error(call, "404 Not Found", "NoSuchKey");
  uint64_t first = 0, length = object.size;
  struct text headers = {0};
  char modified[64];
  struct tm broken;
  time_t seconds = (time_t)object.modified;
  gmtime_r(&seconds, &broken);
  strftime(modified, sizeof modified, "%a, %d %b %Y %H:%M:%S GMT", &broken);
  text_add(&headers, "ETag: \"%s\"\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n", object.etag, modified);
  bool ok;
  if (request->ranged && request->range_first >= object.size) {
    ok = answer_error(call, "416 Range Not Satisfiable", "InvalidRange");
  } else {
    if (request->ranged) {
      uint64_t last = request->range_last < object.size ? request->range_last : object.size - 1;
      first = request->range_first;
      length = last - first + 1;
      text_add(&headers, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", first, last, object.size);
    }
    const char *status = request->ranged ? "206 Partial Content" : "200 OK";
    ok = connection_answer(call->connection, status, headers.data, NULL, length);
    if (ok && is(call, "GET")) ok = send_bytes(call, &object, first, length);
  }
  text_free(&headers);
  free(object.bytes);
  return ok;
}

void sink_report(struct sink *sink, struct text *out) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  text_add(out, "{\"requests\":%" PRIuFAST64 ",\"bytes_in\":%" PRIuFAST64 ",\"bytes_out\":%" PRIuFAST64 ",\"cpu_seconds\":%.6f",
           atomic_load(&sink->requests), atomic_load(&sink->bytes_in), atomic_load(&sink->bytes_out), cpu);
  if (sink->verify) {
    text_add(out, ",");
    objects_report(&sink->objects, out);
  }
  text_add(out, "}\n");
}

static bool answer_stats(struct call *call) {
  struct text out = {0};
  sink_report(call->connection->sink, &out);
  bool sent = connection_answer(call->connection, "200 OK", "Content-Type: application/json\r\n", out.data, out.length);
  text_free(&out);
  return sent;
}

static bool handle_bucket(struct call *call) {
  if (is(call, "HEAD") || is(call, "PUT")) return answer_empty(call, "200 OK");
  if (is(call, "DELETE")) return answer_empty(call, "204 No Content");
  if (is(call, "GET") && call->bucket[0] != '\0') return list_bucket(call);
  return answer_error(call, "501 Not Implemented", "NotImplemented");
}

static bool handle_object(struct call *call) {
  if (is(call, "GET") || is(call, "HEAD")) return call->has_upload ? list_parts(call) : read_object(call);
  if (is(call, "DELETE")) {
    if (call->has_upload && !uploads_abort(call->objects, call->request->path, call->upload)) return no_such_upload(call);
    if (!call->has_upload) objects_remove(call->objects, call->request->path);
    return answer_empty(call, "204 No Content");
  }
  if (is(call, "POST") && call->has_upload) return complete_upload(call);
  if (is(call, "POST") && request_parameter(call->request, "uploads", NULL)) return begin_upload(call);
  return answer_error(call, "501 Not Implemented", "NotImplemented");
}

bool s3_handle(struct connection *connection, const struct request *request) {
  struct call call = {.connection = connection, .objects = &connection->sink->objects, .request = request};
  size_t bucket = strcspn(request->path, "/");
  memcpy(call.bucket, request->path, bucket);
  call.key = request->path[bucket] == '/' ? request->path + bucket + 1 : "";
  call.has_upload = request_parameter(request, "uploadId", call.upload);
  if (strcmp(request->path, "-/stats") == 0) return answer_stats(&call);
  bool about_object = call.key[0] != '\0';
  if (about_object && is(&call, "PUT") && !request->copy) return call.has_upload ? put_part(&call) : put_object(&call);
  if (!about_object && is(&call, "POST") && request_parameter(request, "delete", NULL)) return delete_many(&call);
  char *document = read_document(&call);
  if (!document) return false;
  free(document);
  return about_object ? handle_object(&call) : handle_bucket(&call);
}
