import { failureOf } from '../errors.ts';
import { formatSize } from '../units.ts';
import type { VmsClient } from '../vast/vms/client.ts';
import { type LsuPlace, pathOf, readFacts, spaceOf } from '../vast/vms/facts.ts';
import { examineEndpoint } from './endpoint.ts';
import { type Findings, failure, look, note, ok, type Seen, skipped, warning } from './finding.ts';

const HEALTHY = /^(online|healthy|ok)$/i;
const NEARLY_FULL = 0.95;

export interface ClusterUnderTest {
  readonly subject: string;
  readonly client: VmsClient;
  readonly caFile: string | undefined;
  /** LSUs that the configuration names. */
  readonly lsus: readonly string[];
  readonly placeOf: (lsu: string) => LsuPlace;
  readonly pool: string | undefined;
  readonly signal: AbortSignal;
}

/** The management of a cluster: whether it lets us in, how it is, and what it says about our LSUs. */
export async function* examineCluster(options: ClusterUnderTest): Findings {
  const { subject, client, caFile, pool, signal } = options;
  yield* examineEndpoint(subject, { url: new URL(client.origin), caFile });
  const login = await look(subject, 'login', async () => {
    const { version } = await client.release({ signal });
    return ok(`VAST ${version.major}.${version.minor}, credentials accepted`);
  });
  yield login;
  if (login.verdict === 'failure') return;
  yield await look(subject, 'cluster', async () => {
    const { name, state } = await client.cluster({ signal });
    const seen = `${name ?? 'the cluster'} is ${state ?? 'in an unknown state'}`;
    return HEALTHY.test(state ?? '') ? ok(seen) : warning(seen, 'look at its alarms before backups begin');
  });
  yield await look(subject, 'data VIPs', () => vips(client, pool, signal));
  const facts = await readFacts(client, { signal }).catch((error: unknown) => error as Error);
  for (const lsu of options.lsus) {
    yield await look(`${subject} lsu ${lsu}`, 'view and space', () => {
      if (facts instanceof Error) throw facts;
      const place = options.placeOf(lsu);
      const path = pathOf(facts, place);
      if (path === undefined || !facts.views.some((view) => view.path === path)) {
        return failure(
          `no view for it (${'bucket' in place ? `bucket ${place.bucket}` : place.path})`,
          'vast-ost provision SERVER makes it',
        );
      }
      return spaceSeen(path, spaceOf(facts, place));
    });
  }
}

async function vips(client: VmsClient, pool: string | undefined, signal: AbortSignal): Promise<Seen> {
  try {
    const addresses = await client.vips(pool, { signal });
    if (addresses.length > 0) return ok(`${addresses.length}: ${addresses.slice(0, 8).join(', ')}`);
    return failure('the pool has no addresses', 'name another one with vip_pool, or give endpoints');
  } catch (error) {
    if (failureOf(error) !== 'access') throw error;
    return note('this user may not see the VIP pools', 'tenants may not; give endpoints or dns_name');
  }
}

function spaceSeen(path: string, { total, used }: { total: number | undefined; used: number | undefined }): Seen {
  if (total === undefined || used === undefined) return skipped(`${path}; how full it is was not said`);
  const seen = `${path}, ${formatSize(used)} of ${formatSize(total)} used`;
  return total > 0 && used / total >= NEARLY_FULL ? warning(seen, 'expire images, or raise the quota') : ok(seen);
}
