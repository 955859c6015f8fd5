/*
 * Fuzzing of the decoder. clang: -fsanitize=fuzzer,address,undefined -DVOST_LIBFUZZER.
 * gcc: without the define it runs every file named on the command line once.
 */
#include "../wire/codec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t frame[WIRE_MAX_FRAME];
  union wire_any out;
  struct wire_header header;
  const struct wire_group *group;
  if (wire_decode(data, size, &header, &group, &out, sizeof(out)) != WIRE_DECODE_OK) return 0;
  bool lists = false;
  for (size_t i = 0; i < group->count; i++) {
    if (group->fields[i].kind != WIRE_KIND_list) continue;
    lists = true;
    struct wire_list list = *(struct wire_list *)(void *)((uint8_t *)&out + group->fields[i].offset);
    union wire_any item;
    while (wire_list_next(&list, group->fields[i].group, &item)) continue;
    if (list.count != 0 || list.raw_length != 0) abort();
  }
  /* A frame that decodes is exactly what encoding gives back. Lists are encoded from arrays instead. */
  if (lists) return 0;
  size_t length = wire_encode(frame, sizeof(frame), header.type, header.flags, header.id, &out);
  if (length != size || memcmp(frame, data, size) != 0) abort();
  return 0;
}

#ifndef VOST_LIBFUZZER
int main(int argc, char **argv) {
  static uint8_t bytes[WIRE_MAX_FRAME + 1];
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (file == NULL) return perror(argv[i]), 1;
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    uint8_t *exact = malloc(length == 0 ? 1 : length);
    if (exact == NULL) return 1;
    memcpy(exact, bytes, length);
    LLVMFuzzerTestOneInput(exact, length);
    free(exact);
  }
  printf("ok - wire-fuzz: %d inputs\n", argc - 1);
  return 0;
}
#endif
