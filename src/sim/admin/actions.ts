import { z } from 'zod';
import { expandRanges, singleRanges } from '../cluster/addresses.ts';
import type { ClusterState } from '../cluster/cluster-state.ts';
import type { EventLog } from '../faults/event-log.ts';
import type { VipSet } from '../vips/vip-set.ts';
import { parseLifetime } from '../vms/auth/lifetime.ts';

const lifetime = z.string().refine((text) => parseLifetime(text) !== undefined, 'Not a duration.');

/** What can be done to a running cluster, once. */
export const action = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('vip-down'),
    vip: z.string(),
    how: z.enum(['refuse', 'reset', 'hang']).default('refuse'),
  }),
  z.strictObject({ do: z.literal('vip-up'), vip: z.string() }),
  /** The address changes, in VMS and DNS too. */
  z.strictObject({ do: z.literal('vip-move'), from: z.ipv4(), to: z.ipv4() }),
  /** Every access and refresh token given out so far becomes invalid. */
  z.strictObject({ do: z.literal('expire-tokens') }),
  /** How long tokens given out from now on live, in VMS's notation: `5`, `01:00:00`, `1 00:00:00`. */
  z.strictObject({ do: z.literal('token-lifetime'), access: lifetime.optional(), refresh: lifetime.optional() }),
  z.strictObject({ do: z.literal('raise-alarm'), text: z.string().max(1000), severity: z.string().default('MAJOR') }),
]);

/** Defaults may be left out. */
export type Action = z.input<typeof action>;

/** What actions work on. */
export interface ActionServices {
  readonly state: ClusterState;
  readonly vips: VipSet;
  readonly log: EventLog;
  readonly clock: () => number;
}

/** Carry out an action. Throws a ZodError for what is none, a RangeError for an address that is no VIP. */
export async function act(services: ActionServices, input: Action): Promise<void> {
  const { state, vips, log, clock } = services;
  const wanted = action.parse(input);
  switch (wanted.do) {
    case 'vip-down':
      await vips.set(wanted.vip, wanted.how);
      break;
    case 'vip-up':
      await vips.set(wanted.vip, 'up');
      break;
    case 'vip-move':
      await vips.move(wanted.from, wanted.to);
      movePoolAddress(state, wanted.from, wanted.to);
      break;
    case 'expire-tokens':
      state.settings = { ...state.settings, token_generation: state.settings.token_generation + 1 };
      break;
    case 'token-lifetime':
      state.settings = {
        ...state.settings,
        access_token_lifetime: wanted.access ?? state.settings.access_token_lifetime,
        refresh_token_lifetime: wanted.refresh ?? state.settings.refresh_token_lifetime,
      };
      break;
    case 'raise-alarm':
      state.alarms.add((id) => ({
        id,
        timestamp: new Date(clock()).toISOString(),
        severity: wanted.severity,
        alarm_message: wanted.text,
        event_type: 'SIMULATED',
        object_type: 'Cluster',
        object_id: 1,
        acknowledged: false,
      }));
      break;
  }
  state.commit();
  log.add('admin', 'action', wanted);
}

function movePoolAddress(state: ClusterState, from: string, to: string): void {
  for (const pool of state.vipPools.all()) {
    const addresses = expandRanges(pool.ip_ranges);
    if (!addresses.includes(from)) continue;
    state.vipPools.replace({ ...pool, ip_ranges: singleRanges(addresses.map((each) => (each === from ? to : each))) });
  }
}
