/* Open images: their slots, what was written, what was read ahead. Guarded by the session's lock. */
#ifndef VOST_IMAGE_H
#define VOST_IMAGE_H

#include "coverage.h"
#include "session.h"
#include "stspi.h"

enum slot_state {
  SLOT_WANTED,  /* SLOT_WANT is under way */
  SLOT_FILLING, /* granted; the host's bytes go in */
  SLOT_FULL,    /* handed over, not stored yet */
  SLOT_READING, /* IMAGE_READ is under way */
  SLOT_READ,    /* holds a verified range */
};

struct slot {
  struct slot *next;
  uint32_t number;
  enum slot_state state;
  bool pinned;              /* a copy runs without the lock */
  struct request *request;  /* wanted, reading */
  uint64_t chunk;           /* writing */
  uint32_t used;            /* writing: bytes whose pages are of an earlier use */
  struct coverage coverage; /* filling */
  uint32_t flags;           /* full: of SLOT_FULL */
  uint64_t start;           /* reading: asked for; read: first logical byte */
  uint32_t length;          /* reading: asked for; read: bytes; full: bytes */
  uint32_t offset;          /* read: where in the slot the range lies */
  uint64_t stamp;           /* read: last use */
};

struct image {
  struct image *next;
  uint64_t handle, server;
  void *server_handle; /* of the registry */
  char lsu[STS_MAX_LSUNAME];
  sts_image_def_t def;   /* every string terminated */
  uint32_t mode;         /* enum wire_open_mode */
  uint32_t journal;      /* SLOT_NONE: none */
  bool opened;           /* the engine knows it */
  bool committed;        /* an ATTACH found it complete */
  struct failure failed; /* sticky */

  uint32_t chunk_bytes, window;
  struct slot *slots;
  uint32_t slot_count;

  /* writing */
  uint64_t kept;   /* bytes that earlier writers left */
  uint64_t size;   /* end of the highest byte written or kept */
  uint64_t low;    /* chunks below it are handed over */
  uint64_t *ahead; /* chunks above it that are, ascending */
  uint32_t ahead_count;
  bool handed_over; /* anything, for flush */

  /* reading */
  uint64_t next_offset; /* where a sequential reader goes on */
  uint32_t streak;      /* sequential reads in a row */
  uint64_t stamp;

  uint64_t bytes; /* moved by the host through this handle */
  uint64_t began;
  struct wire_image_info info;
};

/* ---- image.c; with the session's lock ---- */
struct image *image_new(struct session *session, uint32_t mode, const char *lsu, const sts_image_def_t *def,
                        struct failure *failure);
/* Unlink, give slots and journal region back, free. */
void image_free(struct session *session, struct image *image);
struct image *image_find(struct session *session, uint64_t handle);
/* Remember the first failure. */
void image_fail(struct image *image, int status, const char *cause);
struct wire_image_id image_wire_id(const sts_image_def_t *def);
void image_attach_all(struct session *session);
/* SLOT_FREE arrived. False when it makes no sense. */
bool image_slot_freed(struct session *session, uint64_t handle, uint32_t slot);

struct slot *image_slot_add(struct image *image, uint32_t number, enum slot_state state);
/* Take a slot out of the image without giving its memory back. */
void image_slot_drop(struct image *image, struct slot *slot);
/* Give a slot back to the arena and, if the engine has to know, tell it. */
void image_slot_return(struct session *session, struct image *image, struct slot *slot, bool tell);
/* End a request that a slot waits for, done or not; the slot goes with it. */
void image_slot_abandon(struct session *session, struct image *image, struct slot *slot);
/* A free slot for so many bytes, taking one that another image keeps for later reads if need be. SLOT_NONE: none. */
uint32_t image_take_slot(struct session *session, uint32_t bytes);
/* A free slot, waiting for one. */
int image_wait_slot(struct session *session, struct image *image, uint32_t bytes, uint64_t deadline,
                    uint32_t *number, struct failure *failure);

/* image-write.c: before IMAGE_CLOSE: hand the short last chunk over, find gaps; may turn `mode` into ABANDON.
 */
int image_finish_writing(struct session *session, struct image *image, uint32_t *mode, uint64_t *size,
                         struct failure *failure);

/* ---- without the lock; one thread per image ---- */
int image_write(struct session *session, struct image *image, const uint8_t *buffer, uint64_t length,
                uint64_t offset, uint64_t *written, struct failure *failure);
int image_read(struct session *session, struct image *image, uint8_t *buffer, uint64_t length, uint64_t offset,
               uint64_t *got, struct failure *failure);
int image_flush(struct session *session, struct image *image, struct failure *failure);
/* The image is freed, or left to the answer of a request, whatever happens. */
int image_close(struct session *session, struct image *image, uint32_t mode, char *report, size_t space,
                struct failure *failure);
int image_open(struct session *session, struct image *image, uint32_t flags, bool create,
               struct failure *failure);

#endif
