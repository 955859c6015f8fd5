import { EngineError } from '../../errors.ts';

/** One page of a listing, and where the next one begins; undefined on the last. */
export interface Page<Item, Position> {
  readonly items: readonly Item[];
  readonly next: Position | undefined;
}

/**
 * All items of a paged listing. A server whose next position does not differ from this one would
 * keep us for ever; that is an error.
 */
export async function* pages<Item, Position>(
  fetch: (position: Position | undefined) => Promise<Page<Item, Position>>,
): AsyncGenerator<Item, undefined> {
  let position: Position | undefined;
  for (;;) {
    const page = await fetch(position);
    yield* page.items;
    if (page.next === undefined) return;
    if (JSON.stringify(page.next) === JSON.stringify(position)) {
      throw new EngineError('VOST_S3', 'internal', 'the server repeats a page of a listing');
    }
    position = page.next;
  }
}
