import { invalid } from '../errors.ts';
import { LSU_FLAG, MAX_LIST_NAMES } from '../wire/constants.ts';
import { UNKNOWN } from '../wire/kinds.ts';
import { clipText } from '../wire/text.ts';
import type { Handlers } from './handler.ts';

const MAX_NAME = 255;
const FLAGS = LSU_FLAG.READ | LSU_FLAG.WRITE | LSU_FLAG.COPY_SOURCE | LSU_FLAG.COPY_TARGET;

export const lsuHandlers: Handlers<'LSU_LIST' | 'LSU_PROP' | 'LSU_LABEL'> = {
  // The cursor is the last name: it stays valid whatever is made or removed meanwhile.
  LSU_LIST: async (session, { server, max, cursor }) => {
    if (max === 0) throw invalid('a page needs room for one name');
    const all = await session.server(server).lsus();
    const rest = all.filter((name) => name > cursor);
    const page = rest.slice(0, Math.min(max, MAX_LIST_NAMES));
    return { cursor: page.length < rest.length ? (page.at(-1) ?? '') : '', names: page.map((name) => ({ name })) };
  },

  LSU_PROP: async (session, { server: number, lsu }) => {
    const server = session.server(number);
    const [label, capacity, worm] = await Promise.all([
      server.label(lsu),
      server.capacity(lsu),
      server.lockBounds(lsu),
    ]);
    const { label: about } = server.settings;
    return {
      name: lsu,
      label,
      description: clipText(`${about === '' ? '' : `${about}: `}${server.whereIs(lsu)}`, MAX_NAME),
      flags: FLAGS | (worm === undefined ? 0n : LSU_FLAG.WORM) | (server.cluster?.deduplicates ? LSU_FLAG.DEDUP : 0n),
      capacity: capacity.total,
      used: capacity.used,
      phys_capacity: capacity.physicalTotal,
      phys_used: capacity.physicalUsed,
      images: UNKNOWN,
      worm_minimum: BigInt(Math.ceil((worm?.minimumMs ?? 0) / 1000)),
      worm_maximum: BigInt(Math.floor((worm?.maximumMs ?? 0) / 1000)),
    };
  },

  LSU_LABEL: async (session, { server, lsu, label }) => {
    await session.server(server).setLabel(lsu, label);
    return {};
  },
};
