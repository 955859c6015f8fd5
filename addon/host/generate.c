/* Made-up data: every 512-byte block carries its seed and place, so that a block in a wrong place is found. */
#include "host.h"
#include <string.h>

#define BLOCK 512
#define WORDS (BLOCK / 8)
#define STAMP UINT64_C(0x564f535447454e31)

static uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
  return value ^ (value >> 31);
}

static void make_block(uint64_t seed, uint64_t offset, uint64_t words[WORDS]) {
  words[0] = STAMP;
  words[1] = seed;
  words[2] = offset;
  uint64_t state = mix(seed * UINT64_C(0x9e3779b97f4a7c15) + offset);
  for (unsigned i = 3; i < WORDS; i++) {
    state += UINT64_C(0x9e3779b97f4a7c15);
    words[i] = mix(state);
  }
}

void generate_fill(uint64_t seed, uint64_t offset, void *buffer, size_t length) {
  uint64_t words[WORDS];
  for (size_t at = 0; at < length; at += BLOCK) {
    make_block(seed, offset + at, words);
    memcpy((char *)buffer + at, words, BLOCK);
  }
}

bool generate_check(uint64_t seed, uint64_t offset, const void *buffer, size_t length, uint64_t *wrong) {
  uint64_t words[WORDS];
  for (size_t at = 0; at < length; at += BLOCK) {
    make_block(seed, offset + at, words);
    if (memcmp((const char *)buffer + at, words, BLOCK) == 0) continue;
    *wrong = offset + at;
    return false;
  }
  return true;
}
