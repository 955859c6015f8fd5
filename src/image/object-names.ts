import { randomBytes } from 'node:crypto';
import { EngineError } from '../errors.ts';
import { fragmentName, heldName, INDEX, inTerm, journalName, metaName, tailName } from './names.ts';
import type { HandleRecord, TermRecord } from './pending.ts';

const LAST_TERM = 999_999;

/**
 * What the objects of an image that is being written are called. A writer that took the image from another, which may come back, names all that it
 * makes after its own term: so nothing that the other one still has on its way can touch it.
 */
export class ObjectNames {
  readonly #terms: readonly TermRecord[];
  /** Terms of fragments that were kept, where it is not the present one. */
  readonly #kept = new Map<number, string | undefined>();

  /** @param terms those of the image so far, the writer's own last; none for its first writers. */
  constructor(terms: readonly TermRecord[] = []) {
    this.#terms = terms;
  }

  /** The writer's own. */
  get term(): string | undefined {
    return this.#terms.at(-1)?.term;
  }

  get index(): string {
    return inTerm(INDEX, this.term);
  }

  journal(number: number): string {
    return inTerm(journalName(number), this.#termOfJournal(number));
  }

  fragment(number: number): string {
    return inTerm(fragmentName(number), this.#kept.has(number) ? this.#kept.get(number) : this.term);
  }

  tail(number: number): string {
    return inTerm(tailName(number), this.term);
  }

  held(number: number): string {
    return inTerm(heldName(number), this.term);
  }

  meta(number: number): string {
    return inTerm(metaName(number), this.term);
  }

  /** Chunks of a journal object lie in this fragment: they have one writer, for a fragment ends when its writer closes the image. */
  keep(fragment: number, journal: number): void {
    if (this.#terms.length > 0) this.#kept.set(fragment, this.#termOfJournal(journal));
  }

  #termOfJournal(number: number): string | undefined {
    return this.#terms.findLast(({ journal }) => journal < number)?.term;
  }
}

/** The terms of an image with one more; those of which nothing was kept are forgotten. */
export function succession({ terms = [], journal }: Pick<HandleRecord, 'terms' | 'journal'>): TermRecord[] {
  return [...terms.filter((term) => term.journal < journal), { term: nextTerm(terms), journal }];
}

/** A term after all those that an image had. Throws `unsupported` when there can be none. */
function nextTerm(terms: readonly TermRecord[]): string {
  const number = Number(terms.at(-1)?.term.slice(0, 6) ?? 0) + 1;
  if (number <= LAST_TERM) return `${String(number).padStart(6, '0')}-${randomBytes(6).toString('hex')}`;
  throw new EngineError('VOST_TOO_MANY_TERMS', 'unsupported', `the image was taken over ${LAST_TERM} times`);
}
