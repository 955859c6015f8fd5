/* Growing text, and allocation that ends the program when memory runs out: a sink has nothing to save. */
#ifndef SINK_TEXT_H
#define SINK_TEXT_H

#include <stddef.h>

struct text {
  char *data;
  size_t length;
  size_t room;
};

void *must_alloc(size_t bytes);
void *must_grow(void *memory, size_t bytes);
char *must_copy(const char *string);

__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);
/* With the characters that XML and JSON reserve written as entities; keys need no more than that. */
void text_escape(struct text *text, const char *string);
void text_free(struct text *text);

#endif
