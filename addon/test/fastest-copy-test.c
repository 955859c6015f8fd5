/* What is copied is the same before the way is chosen, while it is, and afterwards, from several threads. */
#include "../plugin/fastest-copy.h"
#include "check.h"
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define LONGEST (300u << 10)
/* Together more than are compared. */
#define COPIES 400u

static uint8_t from[LONGEST + 64];

static void *copies(void *failures) {
  uint8_t *to = malloc(LONGEST);
  if (to == NULL) return failures;
  for (uint32_t i = 0; i < COPIES; i++) {
    size_t length = i % 5 == 0 ? i : LONGEST - i * 7;
    memset(to, 0, LONGEST);
    if (i % 2 == 0)
      copy_to_slot(to, from + i % 64, length, i % 7 == 0);
    else
      copy_from_slot(to, from + i % 64, length);
    if (memcmp(to, from + i % 64, length) != 0 || (length < LONGEST && to[length] != 0)) *(unsigned *)failures += 1;
  }
  free(to);
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  unsigned failures[THREADS] = {0};
  for (size_t i = 0; i < sizeof(from); i++) from[i] = (uint8_t)(i * i % 251 + 1);
  for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, copies, &failures[i]) == 0);
  for (unsigned i = 0; i < THREADS; i++) {
    void *unfinished = NULL;
    CHECK(pthread_join(threads[i], &unfinished) == 0 && unfinished == NULL && failures[i] == 0);
  }
  return check_done("fastest-copy");
}
