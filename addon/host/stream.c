#include "stream.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sts_image_def_t fragment_def(const struct stream *stream, uint32_t fragment) {
  char name[STS_MAX_IMAGENAME];
  if (stream->streams > 1)
    snprintf(name, sizeof(name), "%s_S%u_C1_F%u", stream->options->image, stream->index + 1, fragment);
  else
    snprintf(name, sizeof(name), "%s_C1_F%u", stream->options->image, fragment);
  return make_def(stream->options, name);
}

bool stream_open(struct stream *stream, const struct options *options, stsp_server_handle_t server,
                 uint32_t index, uint32_t streams) {
  *stream = (struct stream){.options = options, .server = server, .index = index, .streams = streams};
  stream->group = malloc(options->buffer * GROUP);
  if (stream->group == NULL) stream->code = complain("malloc", STS_ENOMEM);
  return stream->group != NULL;
}

static void failed(struct stream *stream, const char *function, int status) {
  if (stream->code == EXIT_OK) stream->code = complain(function, status);
}

static void end_fragment(struct stream *stream) {
  if (stream->image == NULL) return;
  sts_close_report_t report;
  bool incomplete = stream->options->incomplete || stream->code != EXIT_OK;
  int status =
      sts.close_image(stream->image, incomplete ? STS_CLOSEF_IH_INCOMPLETE : STS_CLOSEF_IH_COMPLETE, &report);
  stream->image = NULL;
  if (status != STS_EOK)
    failed(stream, "stsp_close_image", status);
  else
    fprintf(stderr, "stream %u fragment %u: %s\n", stream->index + 1, stream->fragment, report.cl_report);
}

static void begin_fragment(struct stream *stream, bool write) {
  sts_lsu_t lsu = make_lsu(stream->server, stream->options->lsu);
  sts_image_def_t def = fragment_def(stream, ++stream->fragment);
  stream->offset = 0;
  int status = write ? sts.create_image(&lsu, &def, stream->options->fragment > 0, &stream->image)
                     : sts.open_image(&lsu, &def, STS_O_READ, &stream->image);
  if (status != STS_EOK) {
    stream->image = NULL;
    failed(stream, write ? "stsp_create_image" : "stsp_open_image", status);
  }
}

/* Bytes that still fit into the open fragment. */
static uint64_t fragment_room(const struct stream *stream) {
  uint64_t size = stream->options->fragment;
  return size == 0 ? UINT64_MAX : size - stream->offset;
}

static void write_at(struct stream *stream, const uint8_t *bytes, size_t length, uint64_t offset) {
  uint64_t written = 0;
  if (stream->code != EXIT_OK || length == 0) return;
  int status = sts.write_image(stream->image, NULL, bytes, length, offset, &written);
  if (status != STS_EOK || written != length) failed(stream, "stsp_write_image", status);
}

/* Write the group's bytes that belong to the open fragment, buffer by buffer, in the order of the pattern. */
static void write_group(struct stream *stream, const uint8_t *bytes, size_t length) {
  static const unsigned orders[][GROUP] = {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 0, 3, 1}};
  const char *pattern = stream->options->pattern;
  const unsigned *order = orders[strcmp(pattern, "swap") == 0 ? 1 : strcmp(pattern, "jump") == 0 ? 2 : 0];
  size_t buffer = stream->options->buffer;
  for (unsigned i = 0; i < GROUP; i++) {
    size_t at = order[i] * buffer;
    if (at >= length) continue;
    write_at(stream, bytes + at, length - at < buffer ? length - at : buffer, stream->offset + at);
  }
  stream->offset += length;
  stream->total += length;
}

static void write_out(struct stream *stream) {
  size_t at = 0;
  while (at < stream->grouped && stream->code == EXIT_OK) {
    if (stream->image != NULL && fragment_room(stream) == 0) end_fragment(stream);
    if (stream->image == NULL) begin_fragment(stream, true);
    if (stream->code != EXIT_OK) break;
    size_t left = stream->grouped - at;
    size_t piece = left < fragment_room(stream) ? left : (size_t)fragment_room(stream);
    write_group(stream, stream->group + at, piece);
    at += piece;
  }
  stream->grouped = 0;
}

void stream_write(struct stream *stream, const uint8_t *bytes, size_t length) {
  size_t space = stream->options->buffer * GROUP;
  while (length > 0 && stream->code == EXIT_OK) {
    size_t piece = length < space - stream->grouped ? length : space - stream->grouped;
    memcpy(stream->group + stream->grouped, bytes, piece);
    stream->grouped += piece;
    bytes += piece;
    length -= piece;
    if (stream->grouped == space) write_out(stream);
  }
}

void stream_finish(struct stream *stream) {
  size_t over = stream->grouped % STS_BLOCK_SIZE;
  if (over > 0) {
    memset(stream->group + stream->grouped, 0, STS_BLOCK_SIZE - over);
    stream->grouped += STS_BLOCK_SIZE - over;
  }
  write_out(stream);
  /* An empty stream is an empty image, so that restore finds one. */
  if (stream->fragment == 0 && stream->code == EXIT_OK) begin_fragment(stream, true);
  end_fragment(stream);
  free(stream->group);
  stream->group = NULL;
}

void stream_read(struct stream *stream, uint8_t *bytes, size_t length) {
  size_t at = 0;
  bool fresh = false;
  while (at < length && stream->code == EXIT_OK) {
    if (stream->image == NULL) {
      begin_fragment(stream, false);
      fresh = true;
      continue;
    }
    uint64_t got = 0;
    size_t piece = length - at < stream->options->buffer ? length - at : stream->options->buffer;
    int status = sts.read_image(stream->image, bytes + at, piece, stream->offset, &got);
    if (status != STS_EOK) failed(stream, "stsp_read_image", status);
    at += got;
    stream->offset += got;
    stream->total += got;
    if (got == piece) continue;
    /* The fragment ends here; one without a byte cannot be followed by another. */
    if (fresh && got == 0) failed(stream, "stsp_read_image (the images end too early)", STS_ENOENT);
    fresh = false;
    stream_close(stream);
  }
}

void stream_close(struct stream *stream) {
  if (stream->image == NULL) return;
  int status = sts.close_image(stream->image, STS_CLOSEF_IH_COMPLETE, NULL);
  stream->image = NULL;
  if (status != STS_EOK) failed(stream, "stsp_close_image", status);
}

/* ---- the header image ---- */
int header_write(const struct options *options, stsp_server_handle_t server, const struct header *header) {
  char name[STS_MAX_IMAGENAME], block[STS_BLOCK_SIZE] = "";
  snprintf(name, sizeof(name), "%s_C1_HDR", options->image);
  snprintf(block, sizeof(block),
           "ost-host 1\nsize=%" PRIu64 " stripe=%" PRIu64 " streams=%u generated=%d seed=%" PRIu64 "\n",
           header->size, header->stripe, header->streams, header->generated, header->seed);
  sts_lsu_t lsu = make_lsu(server, options->lsu);
  sts_image_def_t def = make_def(options, name);
  stsp_image_handle_t image;
  uint64_t written;
  int status = sts.create_image(&lsu, &def, 0, &image);
  if (status != STS_EOK) return complain("stsp_create_image", status);
  status = sts.write_image(image, NULL, block, sizeof(block), 0, &written);
  int closed =
      sts.close_image(image, status == STS_EOK ? STS_CLOSEF_IH_COMPLETE : STS_CLOSEF_IH_INCOMPLETE, NULL);
  if (status != STS_EOK) return complain("stsp_write_image", status);
  return closed == STS_EOK ? EXIT_OK : complain("stsp_close_image", closed);
}

int header_read(const struct options *options, stsp_server_handle_t server, struct header *header) {
  char name[STS_MAX_IMAGENAME], block[STS_BLOCK_SIZE + 1] = "";
  snprintf(name, sizeof(name), "%s_C1_HDR", options->image);
  sts_lsu_t lsu = make_lsu(server, options->lsu);
  sts_image_def_t def = make_def(options, name);
  stsp_image_handle_t image;
  uint64_t got = 0;
  int status = sts.open_image(&lsu, &def, STS_O_READ, &image);
  if (status != STS_EOK) return complain("stsp_open_image (header)", status);
  status = sts.read_image(image, block, STS_BLOCK_SIZE, 0, &got);
  int closed = sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL);
  if (status != STS_EOK || closed != STS_EOK)
    return complain("reading the header", status != STS_EOK ? status : closed);
  int generated = 0;
  if (sscanf(block, "ost-host 1\nsize=%" SCNu64 " stripe=%" SCNu64 " streams=%u generated=%d seed=%" SCNu64,
             &header->size, &header->stripe, &header->streams, &generated, &header->seed) != 5 ||
      header->streams < 1 || header->streams > 256 || header->stripe == 0 ||
      header->stripe % STS_BLOCK_SIZE != 0) {
    fprintf(stderr, "ost-host: %s was not written by ost-host\n", name);
    return EXIT_MISMATCH;
  }
  header->generated = generated != 0;
  return EXIT_OK;
}
