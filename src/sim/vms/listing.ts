import type { Answer, Context } from './context.ts';
import { detailError } from './vms-error.ts';

type Shown = Readonly<Record<string, unknown>>;

/** Parameters that are no filters. */
const CONTROLS = new Set(['page', 'page_size', 'ordering', 'fields', 'format']);
const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/**
 * Answer a list: filtered, ordered, and a bare array unless the client asked for pages. A filter
 * that names no field of the rows is left alone, as Django does.
 */
export function answerList(context: Context, rows: readonly Shown[]): Answer {
  const { query } = context;
  const filters = [...query].filter(([name]) => !CONTROLS.has(name));
  const known = new Set(rows.flatMap((row) => Object.keys(row)));
  const wanted = rows.filter((row) => filters.every(([name, value]) => passes(row, name, value, known)));
  const ordered = order(wanted, query.get('ordering'));
  const fields = query.get('fields')?.split(',');
  const shown = fields === undefined ? ordered : ordered.map((row) => pick(row, fields));
  if (!query.has('page') && !query.has('page_size')) return { status: 200, body: shown };
  return page(context, shown);
}

function page(context: Context, rows: readonly Shown[]): Answer {
  const size = Math.min(positive(context.query.get('page_size')) ?? DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
  const number = context.query.has('page') ? positive(context.query.get('page')) : 1;
  const pages = Math.max(1, Math.ceil(rows.length / size));
  if (number === undefined || number > pages) throw detailError(404, 'Invalid page.');
  const link = (to: number) => {
    const url = new URL(context.url, context.baseUrl);
    url.searchParams.set('page', String(to));
    return url.href;
  };
  return {
    status: 200,
    body: {
      count: rows.length,
      next: number < pages ? link(number + 1) : null,
      previous: number > 1 ? link(number - 1) : null,
      results: rows.slice((number - 1) * size, number * size),
    },
  };
}

function positive(text: string | null): number | undefined {
  return text !== null && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

function pick(row: Shown, fields: readonly string[]): Shown {
  return Object.fromEntries(fields.filter((name) => name in row).map((name) => [name, row[name]]));
}

function order(rows: readonly Shown[], ordering: string | null): readonly Shown[] {
  if (ordering === null) return rows;
  const down = ordering.startsWith('-');
  const field = down ? ordering.slice(1) : ordering;
  return rows.toSorted((a, b) => (down ? -1 : 1) * compare(a[field], b[field]));
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

/** `name`, `name__contains`, and `policy__name`, which VMS shows as `policy_name` or `policy`. */
function passes(row: Shown, name: string, wanted: string, known: ReadonlySet<string>): boolean {
  const [, field = name, suffix = ''] =
    /^(.+)__(contains|icontains|startswith|endswith|in|gte|lte|gt|lt)$/.exec(name) ?? [];
  const column = [field, field.replaceAll('__', '_'), field.replace(/__name$/, '')].find((each) => known.has(each));
  if (column === undefined) return true;
  const value = row[column];
  const text = value === null || value === undefined ? '' : String(value);
  switch (suffix) {
    case 'contains':
      return text.includes(wanted);
    case 'icontains':
      return text.toLowerCase().includes(wanted.toLowerCase());
    case 'startswith':
      return text.startsWith(wanted);
    case 'endswith':
      return text.endsWith(wanted);
    case 'in':
      return wanted.split(',').includes(text);
    case 'gte':
      return compareTo(value, wanted) >= 0;
    case 'lte':
      return compareTo(value, wanted) <= 0;
    case 'gt':
      return compareTo(value, wanted) > 0;
    case 'lt':
      return compareTo(value, wanted) < 0;
    default:
      return text.toLowerCase() === wanted.toLowerCase() && (typeof value === 'boolean' || text === wanted);
  }
}

function compareTo(value: unknown, wanted: string): number {
  return typeof value === 'number' ? value - Number(wanted) : compare(value, wanted);
}
