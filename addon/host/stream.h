/* One stream of a backup: a row of images NAME[_S<n>]_C1_F1, F2, …, written or read one after the other. */
#ifndef HOST_STREAM_H
#define HOST_STREAM_H

#include "host.h"

#define GROUP 4 /* buffers that a write pattern orders */

struct stream {
  const struct options *options;
  stsp_server_handle_t server;
  uint32_t index, streams;
  stsp_image_handle_t image; /* NULL: none open */
  uint32_t fragment;         /* number of the open one, from 1 */
  uint64_t offset;           /* in the fragment */
  uint64_t total;            /* bytes of the whole stream */
  uint8_t *group;            /* GROUP buffers */
  size_t grouped;            /* bytes in it */
  int code;                  /* exit code so far */
};

/* What the _HDR image says about a backup. */
struct header {
  uint64_t size; /* of the input, or per stream when generated */
  uint64_t stripe, seed;
  uint32_t streams;
  bool generated;
};

bool stream_open(struct stream *stream, const struct options *options, stsp_server_handle_t server,
                 uint32_t index, uint32_t streams);
/* Write bytes; lengths are multiples of 512 except that the last call may end anywhere: it is padded. */
void stream_write(struct stream *stream, const uint8_t *bytes, size_t length);
/* Write out what is grouped and close the image. */
void stream_finish(struct stream *stream);
/* Read exactly `length` bytes (rounded up to 512 in the image). */
void stream_read(struct stream *stream, uint8_t *bytes, size_t length);
void stream_close(struct stream *stream);

int header_write(const struct options *options, stsp_server_handle_t server, const struct header *header);
int header_read(const struct options *options, stsp_server_handle_t server, struct header *header);

#endif
