#include "slots.h"
#include "stspi.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define JOURNAL_BYTES (1u << 20)
#define JOURNAL_COUNT 256u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A file-size limit would make ftruncate raise SIGXFSZ, which kills the host. */
static bool file_size_allowed(uint64_t bytes) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes;
}

static int write_header(const struct slots *slots, const uint8_t session[16]) {
  const struct arena_layout *layout = &slots->layout;
  struct arena_header header = {
      .magic = ARENA_MAGIC,
      .version = ARENA_VERSION,
      .header_bytes = ARENA_HEADER_BYTES,
      .arena_bytes = layout->arena_bytes,
      .slots_offset = layout->slots_offset,
      .slot_bytes = layout->slot_bytes,
      .slot_count = layout->slot_count,
      .journal_bytes = layout->journal_bytes,
      .journal_count = layout->journal_count,
  };
  memcpy(header.session, session, sizeof(header.session));
  return pwrite(slots->fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) ? 0 : -1;
}

static int make_file(struct slots *slots, const uint8_t session[16], struct failure *failure) {
  slots->fd = memfd_create("vast-ost", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (slots->fd < 0) return fail(failure, STS_ESYSCALL, "memfd_create: %s", strerror(errno));
  if (ftruncate(slots->fd, (off_t)slots->layout.arena_bytes) != 0 || write_header(slots, session) != 0 ||
      fcntl(slots->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail(failure, STS_ESYSCALL, "cannot prepare the shared memory: %s", strerror(errno));
  return STS_EOK;
}

int slots_make(struct slots *slots, uint32_t slot_bytes, uint32_t slot_count, const uint8_t session[16],
               struct failure *failure) {
  *slots = (struct slots){.fd = -1};
  slots->layout = (struct arena_layout){.slot_bytes = slot_bytes,
                                        .slot_count = slot_count,
                                        .journal_bytes = JOURNAL_BYTES,
                                        .journal_count = JOURNAL_COUNT};
  if (!arena_layout_make(&slots->layout)) return fail(failure, STS_EINVAL, "slot size or count out of bounds");
  while (!file_size_allowed(slots->layout.arena_bytes)) {
    slots->layout.slot_count /= 2;
    if (!arena_layout_make(&slots->layout))
      return fail(failure, STS_ENOMEM,
                  "the file-size limit of this process (ulimit -f) leaves no room for two slots");
  }
  slots->free = calloc(slots->layout.slot_count, sizeof(*slots->free));
  slots->warm = calloc(slots->layout.slot_count, sizeof(*slots->warm));
  slots->journals = calloc(JOURNAL_COUNT, sizeof(*slots->journals));
  int status = slots->free == NULL || slots->warm == NULL || slots->journals == NULL
                   ? fail(failure, STS_ENOMEM, "no memory for the slot tables")
                   : make_file(slots, session, failure);
  if (status != STS_EOK) {
    slots_destroy(slots);
    return status;
  }
  slots->free_count = slots->layout.slot_count;
  for (uint32_t i = 0; i < slots->free_count; i++) slots->free[i] = slots->free_count - 1 - i;
  return STS_EOK;
}

int slots_map(struct slots *slots, struct failure *failure) {
  if (slots->base != NULL) return STS_EOK;
  void *base =
      mmap(NULL, slots->layout.arena_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, slots->fd, 0);
  if (base == MAP_FAILED)
    return fail(failure, STS_ENOMEM, "cannot map %llu MiB of shared memory (lower 'slots' in plugin.conf): %s",
                (unsigned long long)(slots->layout.arena_bytes >> 20), strerror(errno));
  /* A child of fork must not reach the parent's slots. Core dumps need not hold backup data. */
  madvise(base, slots->layout.arena_bytes, MADV_DONTFORK);
  madvise(base, slots->layout.arena_bytes, MADV_DONTDUMP);
  slots->base = base;
  return STS_EOK;
}

void slots_destroy(struct slots *slots) {
  if (slots->base != NULL) munmap(slots->base, slots->layout.arena_bytes);
  if (slots->fd >= 0) close(slots->fd);
  free(slots->free);
  free(slots->warm);
  free(slots->journals);
  *slots = (struct slots){.fd = -1};
}

/* Whether a slot of this warmth suits `bytes` better than the other does. */
static bool suits_better(uint32_t warm, uint32_t other, uint32_t bytes) {
  if (other >= bytes) return warm >= bytes && warm < other;
  return warm > other;
}

uint32_t slots_take(struct slots *slots, uint32_t bytes) {
  if (slots->free_count == 0) return SLOT_NONE;
  uint32_t best = slots->free_count - 1;
  for (uint32_t i = best; i-- > 0;)
    if (suits_better(slots->warm[slots->free[i]], slots->warm[slots->free[best]], bytes)) best = i;
  uint32_t slot = slots->free[best];
  slots->free_count--;
  memmove(slots->free + best, slots->free + best + 1, (slots->free_count - best) * sizeof(*slots->free));
  return slot;
}

void slots_give(struct slots *slots, uint32_t slot) {
  slots->free[slots->free_count++] = slot;
}

void slots_touched(struct slots *slots, uint32_t slot, uint32_t end) {
  if (slots->warm[slot] < end) slots->warm[slot] = end;
}

void slots_prepare(struct slots *slots, uint32_t slot, uint32_t end, uint32_t ahead) {
  uint32_t warm = slots->warm[slot];
  if (end <= warm) return;
  uint32_t target = ahead < slots->layout.slot_bytes - end ? end + ahead : slots->layout.slot_bytes;
  uint32_t from = warm & ~4095u;
  /* Worth a system call only for many pages. Where the kernel cannot do it, pages fault in one by one. */
  if (ahead > 0) madvise(slots_address(slots, slot) + from, target - from, MADV_POPULATE_WRITE);
  slots->warm[slot] = ahead > 0 ? target : end;
}

void slots_trim(struct slots *slots, uint32_t keep) {
  if (slots->base == NULL) return;
  for (uint32_t i = slots->free_count; i > 0; i--) {
    uint32_t slot = slots->free[i - 1];
    if (slots->warm[slot] == 0) continue;
    if (keep > 0) {
      keep--;
      continue;
    }
    madvise(slots_address(slots, slot), slots->layout.slot_bytes, MADV_REMOVE);
    slots->warm[slot] = 0;
  }
}

uint32_t slots_take_journal(struct slots *slots) {
  for (uint32_t region = 0; region < slots->layout.journal_count; region++) {
    if (slots->journals[region]) continue;
    uint8_t *at = slots->base + arena_journal_offset(&slots->layout, region);
    if (madvise(at, slots->layout.journal_bytes, MADV_REMOVE) != 0) memset(at, 0, slots->layout.journal_bytes);
    slots->journals[region] = 1;
    return region;
  }
  return SLOT_NONE;
}

void slots_give_journal(struct slots *slots, uint32_t region) {
  slots->journals[region] = 0;
}
