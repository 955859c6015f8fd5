import { isSince, type ReleaseName } from '../cluster/release.ts';
import type { Context } from './context.ts';
import { VmsError } from './vms-error.ts';

/** Kinds of values that bodies carry, and what is said about a value that is of another kind. */
const KINDS = {
  text: [(value: unknown) => typeof value === 'string' && value.length <= 4096, 'Not a valid string.'],
  int: [(value: unknown) => Number.isSafeInteger(value), 'A valid integer is required.'],
  bool: [(value: unknown) => typeof value === 'boolean', 'Must be a valid boolean.'],
  texts: [(value: unknown) => isListOf(value, 'string'), 'Expected a list of strings.'],
  ints: [(value: unknown) => isListOf(value, 'number'), 'Expected a list of integers.'],
  ranges: [isRanges, 'Expected a list of [start, end] pairs.'],
  object: [(value: unknown) => typeof value === 'object' && value !== null, 'Expected an object.'],
  time: [
    (value: unknown) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
    'Datetime has wrong format.',
  ],
} as const satisfies Record<string, readonly [(value: unknown) => boolean, string]>;

/** One field that a body may have. */
export interface Field {
  readonly kind: keyof typeof KINDS;
  readonly required?: boolean;
  /** Absent from older releases. */
  readonly since?: ReleaseName;
  /** Absent from this release on. */
  readonly until?: ReleaseName;
  /** Given at creation, never changed. */
  readonly fixed?: boolean;
  /** Only these. */
  readonly choices?: readonly string[];
  /** What it is when nobody says; null unless given. */
  readonly initial?: unknown;
}

export type Fields = Readonly<Record<string, Field>>;
export type Body = Readonly<Record<string, unknown>>;

/** The fields that a release has. */
export function fieldsOf({ release }: Pick<Context, 'release'>, fields: Fields): [string, Field][] {
  return Object.entries(fields).filter(
    ([, { since, until }]) => isSince(release, since) && !(until !== undefined && isSince(release, until)),
  );
}

/**
 * The fields of a body for a new row, initial values filled in. Throws `{"field": ["…"]}` with all
 * that is wrong. Fields that the release does not know are dropped, as Django REST framework does, and logged.
 */
export function readNew(context: Context, resource: string, fields: Fields): Body {
  const known = fieldsOf(context, fields);
  const problems: Record<string, string[]> = {};
  const body: Record<string, unknown> = {};
  for (const [name, field] of known) {
    const value = context.body[name];
    body[name] = value ?? field.initial ?? null;
    if (value === undefined && field.required) problems[name] = ['This field is required.'];
    else if (value != null) Object.assign(problems, problemOf(name, field, value));
  }
  finish(context, resource, known, problems);
  return body;
}

/** The fields of a body that change a row. */
export function readChange(context: Context, resource: string, fields: Fields, row: Body): Body {
  const known = fieldsOf(context, fields);
  const problems: Record<string, string[]> = {};
  const body: Record<string, unknown> = {};
  for (const [name, field] of known) {
    const value = context.body[name];
    if (value === undefined) continue;
    if (field.fixed && value !== row[name]) problems[name] = ['This field cannot be changed.'];
    else if (value !== null) Object.assign(problems, problemOf(name, field, value));
    body[name] = value;
  }
  finish(context, resource, known, problems);
  return body;
}

function finish(context: Context, resource: string, known: readonly [string, Field][], problems: object): void {
  const names = new Set(known.map(([name]) => name));
  const unknown = Object.keys(context.body).filter((name) => !names.has(name));
  if (unknown.length > 0) context.log.add('vms', 'unknown-field', { resource, fields: unknown.slice(0, 20) });
  if (Object.keys(problems).length > 0) throw new VmsError(400, problems);
}

function problemOf(name: string, { kind, choices }: Field, value: unknown): Record<string, string[]> {
  const [isValid, text] = KINDS[kind];
  if (!isValid(value)) return { [name]: [text] };
  const bad = choices === undefined ? undefined : [value].flat().find((each) => !choices.includes(String(each)));
  return bad === undefined ? {} : { [name]: [`"${bad}" is not a valid choice.`] };
}

function isListOf(value: unknown, type: 'string' | 'number'): boolean {
  return Array.isArray(value) && value.length <= 10_000 && value.every((each) => typeof each === type);
}

function isRanges(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length <= 1000 && value.every((pair) => isListOf(pair, 'string') && pair.length === 2)
  );
}
