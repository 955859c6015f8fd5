import { isSince, newestPathVersion, type Release } from '../cluster/release.ts';
import type { Ids, Route } from './context.ts';
import { detailError, notFound } from './vms-error.ts';

/** A route and the numbers in its path; or the path that the client is to ask instead. */
export type Match = { readonly route: Route; readonly ids: Ids } | { readonly redirect: string };

interface Compiled {
  readonly route: Route;
  readonly segments: readonly string[];
}

/** Finds routes as Django does: by the whole path, trailing slash and all. */
export class Router {
  readonly #routes: readonly Compiled[];

  /** Routes that the release lacks do not exist. Earlier ones win. */
  constructor(routes: readonly Route[], release: Release) {
    this.#routes = routes
      .filter((route) => isSince(release, route.since))
      .map((route) => ({ route, segments: split(route.path) }));
  }

  /** `path` is what follows `/api/<version>`. Throws 404 and 405 answers. */
  find(method: string, path: string, missingSlash: '404' | '301'): Match {
    const slashed = path.endsWith('/');
    const segments = split(path);
    const fitting = this.#routes.flatMap(({ route, segments: pattern }) => {
      const ids = idsOf(pattern, segments);
      return ids === undefined ? [] : [{ route, ids }];
    });
    if (fitting.length === 0) throw notFound();
    const served = fitting.filter(({ route }) => slashed || route.slash === 'optional');
    if (served.length === 0) {
      if (missingSlash === '301' && (method === 'GET' || method === 'HEAD')) return { redirect: `${path}/` };
      throw notFound();
    }
    const match = served.find(({ route }) => route.method === method);
    if (match === undefined) throw detailError(405, `Method "${method}" not allowed.`);
    return match;
  }
}

function split(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

function idsOf(pattern: readonly string[], segments: readonly string[]): Ids | undefined {
  if (pattern.length !== segments.length) return undefined;
  const ids: Record<string, number> = {};
  for (const [index, expected] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (expected.startsWith(':')) {
      if (!/^\d{1,15}$/.test(segment)) return undefined;
      ids[expected.slice(1)] = Number(segment);
    } else if (expected !== segment) {
      return undefined;
    }
  }
  return ids;
}

/** Take `/api/`, `/api/v5/` or `/api/latest/` off a path; 404 for what the release does not serve. */
export function apiPath(path: string, release: Release): { base: string; rest: string } {
  const [, base = '', version = '', rest = ''] = /^(\/api(?:\/(v\d+|latest))?)(\/.*)$/.exec(path) ?? [];
  if (base === '') throw notFound();
  if (version.startsWith('v')) {
    const number = Number(version.slice(1));
    if (number < 1 || number > newestPathVersion(release)) throw notFound();
  }
  return { base, rest };
}
