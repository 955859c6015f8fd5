#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void) {
  fputs("sink: out of memory\n", stderr);
  exit(1);
}

void *must_alloc(size_t bytes) {
  void *memory = calloc(1, bytes > 0 ? bytes : 1);
  if (!memory) out_of_memory();
  return memory;
}

void *must_grow(void *memory, size_t bytes) {
  void *grown = realloc(memory, bytes);
  if (!grown) out_of_memory();
  return grown;
}

char *must_copy(const char *string) {
  char *copy = strdup(string);
  if (!copy) out_of_memory();
  return copy;
}

static void reserve(struct text *text, size_t more) {
  if (text->length + more + 1 <= text->room) return;
  while (text->room < text->length + more + 1) text->room = text->room ? 2 * text->room : 1024;
  text->data = must_grow(text->data, text->room);
}

void text_add(struct text *text, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length >= 0) {
    reserve(text, (size_t)length);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
    text->length += (size_t)length;
  }
  va_end(again);
}

void text_escape(struct text *text, const char *string) {
  for (const char *at = string; *at; at++) {
    unsigned char c = (unsigned char)*at;
    if (c < 0x20 || c >= 0x7f || strchr("<>&\"'\\", c)) text_add(text, "&#%u;", c);
    else text_add(text, "%c", c);
  }
}

void text_free(struct text *text) {
  free(text->data);
  *text = (struct text){0};
}
