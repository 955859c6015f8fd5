import { failureOf } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { note, ok, type Seen, skipped, warning } from './finding.ts';

interface Statement {
  readonly Effect?: unknown;
  readonly Principal?: unknown;
}

/** Who else may use an LSU, and whether something is forbidden to all. What we may do ourselves the probe image shows. */
export async function examinePolicy(store: ObjectStore, signal: AbortSignal): Promise<Seen> {
  if (store.policy === undefined) return skipped('this storage has no policies');
  try {
    const text = await store.policy({ signal });
    return text === undefined ? ok('none: the rights of the owner count') : judgePolicy(text);
  } catch (error) {
    if (failureOf(error) !== 'access') throw error;
    return skipped('this user may not read it');
  }
}

/** @param text a bucket policy as JSON, hostile. */
export function judgePolicy(text: string): Seen {
  let statements: readonly Statement[];
  try {
    const { Statement: found } = JSON.parse(text) as { Statement?: Statement | readonly Statement[] };
    statements = [found ?? []].flat().filter((one): one is Statement => typeof one === 'object' && one !== null);
  } catch {
    return warning('it is no JSON', 'look at it with another tool');
  }
  const denials = statements.filter(({ Effect }) => Effect === 'Deny').length;
  if (statements.some((one) => one.Effect === 'Allow' && isEverybody(one.Principal))) {
    return warning(`${statements.length} statement(s), one allows everybody`, 'name who may read backups instead of *');
  }
  const seen = `${statements.length} statement(s)`;
  return denials === 0 ? ok(seen) : note(`${seen}, ${denials} of them forbid something`, 'they bind us as well');
}

function isEverybody(principal: unknown): boolean {
  if (principal === '*') return true;
  const named = (principal as { AWS?: unknown } | null | undefined)?.AWS;
  return [named].flat().includes('*');
}
