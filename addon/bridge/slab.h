/*
 * Page-aligned memory, known by its address. A slab stays mapped while its ArrayBuffer lives or anybody holds it, so memory that a
 * thread reads cannot vanish under it. All of it lies in files of memory (memfd), so that its pages can be mapped a second
 * time, elsewhere and in another way (window.h): arenas in the hosts' files, our own slabs in one file that has no end.
 */
#ifndef VAST_OST_SLAB_H
#define VAST_OST_SLAB_H

#include <stddef.h>
#include <sys/types.h>

#define SLAB_ALIGNMENT 4096u

struct slab;

/* `bytes`: a positive multiple of SLAB_ALIGNMENT. NULL when there is no memory. */
struct slab *slab_map(size_t bytes);
/* Page-aligned memory that somebody else mapped from `offset` of a file on. `unmap` is called once, when nobody holds the slab any
   more; the file stays open until then. NULL when there is no memory. */
struct slab *slab_adopt(void *data, size_t bytes, int fd, off_t offset, void (*unmap)(void *owner), void *owner);
void *slab_data(const struct slab *slab);
size_t slab_bytes(const struct slab *slab);
/* Where its pages are, for whoever holds it. */
int slab_file(const struct slab *slab, off_t *offset);

/* The live slab that begins at this address, held once more; NULL when there is none. */
struct slab *slab_hold(const void *data);
void slab_release(struct slab *slab);

/* Its owner lets go: the address is no slab any more, and unmapped once nobody holds it. Once or twice. */
void slab_free(struct slab *slab);
/* The owner forgets the slab altogether, freed or not. */
void slab_forget(struct slab *slab);

/* Gives the physical pages from `from` on back, a multiple of SLAB_ALIGNMENT; the contents become zero. Answers 0 or errno. */
int slab_trim(struct slab *slab, size_t from);

#endif
