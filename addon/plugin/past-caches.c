#include "past-caches.h"

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>

/* Each page is a stream of its own to the processor, which fetches ahead within a page only: several at once keep more of
   memory's latency covered. Two, eight and sixteen were slower than four, or no faster. */
enum { LINE = 64, PAGE = 4096, PAGES = 4, RUN = PAGE * PAGES };

static inline void stream_line(uint8_t *to, const uint8_t *from) {
  __m128i words[LINE / sizeof(__m128i)];
  for (size_t i = 0; i < LINE / sizeof(__m128i); i++) words[i] = _mm_loadu_si128((const __m128i *)from + i);
  for (size_t i = 0; i < LINE / sizeof(__m128i); i++) _mm_stream_si128((__m128i *)to + i, words[i]);
}

void copy_past_caches(void *to, const void *from, size_t length) {
  uint8_t *out = to;
  const uint8_t *in = from;
  size_t head = (size_t)(-(uintptr_t)out % LINE);
  if (length >= head + RUN) {
    memcpy(out, in, head);
    for (out += head, in += head, length -= head; length >= RUN; out += RUN, in += RUN, length -= RUN)
      for (size_t line = 0; line < PAGE; line += LINE)
        for (size_t page = 0; page < RUN; page += PAGE) stream_line(out + page + line, in + page + line);
    /* Streamed stores are ordered by nothing else, not even by a lock that is let go. */
    _mm_sfence();
  }
  memcpy(out, in, length);
}

#else

void copy_past_caches(void *to, const void *from, size_t length) {
  memcpy(to, from, length);
}

#endif
