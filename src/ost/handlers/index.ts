import type { RequestName } from '../wire/messages.ts';
import { catalogHandlers } from './catalog.ts';
import { configHandlers } from './config.ts';
import { copyHandlers } from './copy.ts';
import { eventHandlers } from './event.ts';
import type { Handlers } from './handler.ts';
import { imageHandlers } from './image.ts';
import { lsuHandlers } from './lsu.ts';
import { metaHandlers } from './meta.ts';
import { serverHandlers } from './server.ts';

/** One handler per request of the catalogue; the hello comes before there is a session. */
export const handlers: Handlers<Exclude<RequestName, 'HELLO'>> = {
  ...serverHandlers,
  ...lsuHandlers,
  ...configHandlers,
  ...imageHandlers,
  ...catalogHandlers,
  ...metaHandlers,
  ...copyHandlers,
  ...eventHandlers,
};
