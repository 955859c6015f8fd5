import { invalid, notFound } from '../errors.ts';
import type { StoredEvent } from '../events/event-file.ts';
import { MAX_LIST_EVENTS } from '../wire/constants.ts';
import type { WireEvent, WireImageId } from '../wire/groups.ts';
import { wireOfIdentity } from '../wire-identity.ts';
import type { Handlers } from './handler.ts';

const MAX_WAIT_MS = 3_600_000;
const NO_IMAGE: WireImageId = { basename: '', date: '', fullname: '', number1: 0, number2: 0, text1: '', text2: '' };

function wireOf(event: StoredEvent): WireEvent {
  return {
    sequence: BigInt(event.sequence),
    time: BigInt(event.time),
    type: event.type,
    payload_bytes: Buffer.byteLength(event.payload),
    lsu: event.lsu,
    image: (event.image && wireOfIdentity(event.image)) ?? NO_IMAGE,
  };
}

export const eventHandlers: Handlers<'EVENT_GET' | 'EVENT_PAYLOAD'> = {
  EVENT_GET: async (session, { server, after, timeout_ms: timeout, max }) => {
    if (max === 0) throw invalid('a page needs room for one event');
    const { events } = session.server(server);
    const from = Number(after);
    await events.wait(from, Math.min(timeout, MAX_WAIT_MS), session.signal);
    const page = events.read(from, Math.min(max, MAX_LIST_EVENTS));
    return { latest: BigInt(events.latest), events: page.map(wireOf) };
  },

  EVENT_PAYLOAD: (session, { server, sequence }) => {
    const event = session.server(server).events.find(Number(sequence));
    if (event === undefined) throw notFound(`event ${sequence} is no longer kept`);
    return { data: Buffer.from(event.payload) };
  },
};
