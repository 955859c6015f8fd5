/* Stamped blocks: 256 KiB of payload whose first 8 bytes are their number, little-endian. bench/source.ts makes the same. */
#ifndef SINK_STAMPS_H
#define SINK_STAMPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_BYTES 262144
#define STAMP_BYTES 8
#define RING_BYTES (8 * 1024 * 1024)

/* Blocks with consecutive numbers. */
struct run {
  uint64_t first;
  uint64_t count;
};

/* What was found in one body. A tail shorter than a stamp is not looked at. */
struct stamps {
  struct run *runs;
  size_t count;
  size_t room;
  uint64_t bytes;
  uint8_t partial[8];
  bool garbage; /* more runs than a body of numbered blocks can have */
};

struct verdict {
  uint64_t blocks;
  uint64_t first;
  uint64_t missing;    /* numbers between the lowest and the highest that never came */
  uint64_t duplicates; /* blocks whose number came before */
  uint64_t disorder;   /* places where a block does not follow its predecessor */
  uint64_t unaligned;  /* bodies, not the last, that are no whole number of blocks, or hold no stamps */
};

void stamps_feed(struct stamps *stamps, const uint8_t *data, size_t length);
void stamps_free(struct stamps *stamps);
/* Judge the bodies that make up one object, in order. */
struct verdict stamps_judge(const struct stamps *const *bodies, size_t count);
bool verdict_is_good(const struct verdict *verdict);

/* The payload that stamped blocks are made of; the same in every process. */
void ring_make(uint8_t *ring);

/* What comes next of the endless stream of stamped blocks that begins with number 0, to the end of its block at most. */
struct stamped {
  const uint8_t *stamp; /* first, when there is any of it */
  size_t stamp_length;
  const uint8_t *data; /* in the ring */
  size_t length;
};
struct stamped ring_at(const uint8_t *ring, uint64_t offset, uint64_t length, uint8_t stamp[STAMP_BYTES]);

#endif
