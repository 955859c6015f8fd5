import { z } from 'zod';
import type { RequestOptions } from '../store.ts';
import { badAnswer } from './errors.ts';
import type { VmsSession } from './session.ts';
import type { Query } from './transport.ts';

/** Rows asked for at once. */
const PAGE_ROWS = 500;
/** No cluster has more of anything that we look at; a list that never ends is cut here. */
const MAX_PAGES = 400;

const Envelope = z.looseObject({ next: z.string().nullish(), results: z.array(z.unknown()) });
const Page = z.union([z.array(z.unknown()), Envelope]);
/** What a cluster answers to a deletion: nothing, or a task. */
const Anything = z.unknown();

export interface ListOptions extends RequestOptions {
  readonly query?: Query;
  /** Name no tenant. */
  readonly anyTenant?: boolean;
}

/** A resource that is a list of rows with numbers: `views/`, `quotas/` … */
export class Collection<Row extends { readonly id: number }> {
  protected readonly session: VmsSession;
  readonly resource: string;
  readonly #row: z.ZodType<Row>;
  readonly #paged: boolean;

  /** @param paged whether the schema lists `page_size`; without it a list comes whole. */
  constructor(session: VmsSession, resource: string, row: z.ZodType<Row>, paged: boolean) {
    this.session = session;
    this.resource = resource;
    this.#row = row;
    this.#paged = paged;
  }

  /**
   * All rows. A list comes bare or in pages, as the cluster pleases. Of a page's `next` only the query is taken: pages are never
   * fetched from anywhere but where we began.
   */
  async list(options: ListOptions = {}): Promise<Row[]> {
    const rows: Row[] = [];
    const seen = new Set<string>();
    let query: Query = { ...options.query, ...(this.#paged ? { page_size: PAGE_ROWS } : {}) };
    const { signal, anyTenant } = options;
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const page = await this.session.send({ method: 'GET', resource: this.resource, query, anyTenant, signal }, Page);
      const found = Array.isArray(page) ? page : page.results;
      for (const item of found) rows.push(this.#check(item));
      const next = Array.isArray(page) ? undefined : page.next;
      if (next === undefined || next === null || next === '') return rows;
      query = this.#queryOf(next);
      const key = JSON.stringify(query);
      if (seen.has(key)) throw badAnswer(`GET ${this.resource}`, 'the pages of the list go in a circle', 200);
      seen.add(key);
    }
    throw badAnswer(`GET ${this.resource}`, `the list has more than ${MAX_PAGES} pages`, 200);
  }

  /** Throws `not-found`. */
  get(id: number, options: RequestOptions = {}): Promise<Row> {
    return this.session.send({ method: 'GET', resource: this.#path(id), signal: options.signal }, this.#row);
  }

  /** Throws `exists` for a duplicate, and `retryable` when the answer was lost: look whether it is there. */
  create(body: object, options: RequestOptions = {}): Promise<Row> {
    return this.session.send({ method: 'POST', resource: this.resource, body, signal: options.signal }, this.#row);
  }

  async update(id: number, body: object, options: RequestOptions = {}): Promise<void> {
    await this.session.send({ method: 'PATCH', resource: this.#path(id), body, signal: options.signal }, Anything);
  }

  /** What is gone already is no error. The answer may name a task: see taskOf. */
  async remove(id: number, options: RequestOptions & { readonly query?: Query } = {}): Promise<unknown> {
    const { query, signal } = options;
    try {
      return await this.session.send({ method: 'DELETE', resource: this.#path(id), query, signal }, Anything);
    } catch (error) {
      if ((error as { failure?: unknown }).failure === 'not-found') return undefined;
      throw error;
    }
  }

  #path(id: number): string {
    return `${this.resource}${id}/`;
  }

  #check(item: unknown): Row {
    const parsed = this.#row.safeParse(item);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const where = `${issue?.path.join('.')} ${issue?.message}`.slice(0, 200);
    throw badAnswer(`GET ${this.resource}`, `a row does not fit: ${where}`, 200);
  }

  #queryOf(next: string): Query {
    const origin = this.session.origin;
    if (!URL.canParse(next, origin)) throw badAnswer(`GET ${this.resource}`, 'the next page has no address', 200);
    const { searchParams } = new URL(next, origin);
    return Object.fromEntries([...new Set(searchParams.keys())].map((key) => [key, searchParams.getAll(key)]));
  }
}
