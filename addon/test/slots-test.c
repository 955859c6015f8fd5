/* Which free slot is taken: chunks of many lengths at once must not warm every slot there is. */
#include "../plugin/slots.h"
#include "check.h"
#include <stdlib.h>
#include <string.h>

#define COUNT 16u
#define LONG (1u << 20)
#define SHORT (64u << 10)

static uint32_t random_state = 1;
static uint32_t next_random(uint32_t bound) {
  random_state = random_state * 1664525u + 1013904223u;
  return (random_state >> 8) % bound;
}

static struct slots make(void) {
  struct slots slots;
  struct failure failure = {0};
  const uint8_t session[16] = {0};
  CHECK(slots_make(&slots, LONG, COUNT, session, &failure) == 0);
  return slots;
}

static uint32_t warm_count(const struct slots *slots) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < COUNT; i++) count += slots->warm[i] > 0;
  return count;
}

static void best_fit(void) {
  struct slots slots = make();
  slots_touched(&slots, 3, LONG);
  slots_touched(&slots, 5, SHORT);
  slots_touched(&slots, 7, SHORT / 2);
  CHECK(slots_take(&slots, SHORT) == 5);
  CHECK(slots_take(&slots, SHORT) == 3);
  CHECK(slots_take(&slots, SHORT) == 7);
  slots_give(&slots, 5);
  slots_give(&slots, 7);
  CHECK(slots_take(&slots, LONG) == 5);
  slots_destroy(&slots);
}

static void freed_last(void) {
  struct slots slots = make();
  uint32_t first = slots_take(&slots, LONG), second = slots_take(&slots, LONG);
  slots_touched(&slots, first, LONG);
  slots_touched(&slots, second, LONG);
  slots_give(&slots, second);
  slots_give(&slots, first);
  CHECK(slots_take(&slots, LONG) == first);
  CHECK(slots_take(&slots, LONG) == second);
  slots_destroy(&slots);
}

static void all_of_them(void) {
  struct slots slots = make();
  bool taken[COUNT] = {false};
  for (uint32_t i = 0; i < COUNT; i++) {
    uint32_t slot = slots_take(&slots, SHORT);
    CHECK(slot < COUNT && !taken[slot]);
    taken[slot] = true;
  }
  CHECK(slots_take(&slots, SHORT) == SLOT_NONE);
  slots_give(&slots, 9);
  CHECK(slots_take(&slots, SHORT) == 9);
  slots_destroy(&slots);
}

/* However they come and go, no more slots are ever warm than were held at once. */
static void random_takes(void) {
  struct slots slots = make();
  uint32_t held[COUNT], count = 0, most = 0;
  for (unsigned step = 0; step < 10000; step++) {
    if (count < 10 && next_random(2) == 0) {
      uint32_t bytes = next_random(4) == 0 ? LONG : SHORT << next_random(3), slot = slots_take(&slots, bytes);
      for (uint32_t i = 0; i < count; i++) CHECK(held[i] != slot);
      slots_touched(&slots, slot, bytes);
      held[count++] = slot;
      if (count > most) most = count;
    } else if (count > 0) {
      uint32_t at = next_random(count);
      slots_give(&slots, held[at]);
      held[at] = held[--count];
    }
    CHECK(warm_count(&slots) <= most);
    CHECK(slots.free_count == COUNT - count);
  }
  slots_destroy(&slots);
}

int main(void) {
  best_fit();
  freed_last();
  all_of_them();
  random_takes();
  return check_done("slots");
}
