/*
 * Page-aligned anonymous memory, known by its address. A slab stays mapped while its ArrayBuffer lives or
 * anybody holds it, so memory that a thread reads cannot vanish under it.
 */
#ifndef VAST_OST_SLAB_H
#define VAST_OST_SLAB_H

#include <stddef.h>

#define SLAB_ALIGNMENT 4096u

struct slab;

/* `bytes`: a positive multiple of SLAB_ALIGNMENT. NULL when there is no memory. */
struct slab *slab_map(size_t bytes);
/* Page-aligned memory that somebody else mapped. `unmap` is called once, when nobody holds the slab any more,
   and must not use slabs. NULL when there is no memory. */
struct slab *slab_adopt(void *data, size_t bytes, void (*unmap)(void *owner), void *owner);
void *slab_data(const struct slab *slab);

/* The live slab that begins at this address, held once more; NULL when there is none. */
struct slab *slab_hold(const void *data);
void slab_release(struct slab *slab);

/* Its owner lets go: the address is no slab any more, and unmapped once nobody holds it. Once or twice. */
void slab_free(struct slab *slab);
/* The owner forgets the slab altogether, freed or not. */
void slab_forget(struct slab *slab);

/* Gives the physical pages back; the contents become zero. Answers 0 or errno. */
int slab_trim(struct slab *slab);

#endif
