/** The payload layouts of docs/engine-protocol.md section 4, under the names that the document uses. */
import { MAX_CAUSE, MAX_IMAGE_SLOTS, MAX_LIST_EVENTS, MAX_LIST_IMAGES, MAX_LIST_NAMES } from './constants.ts';
import { blob, chars, group, key, list, str, u16, u32, u64, type ValueOf } from './kinds.ts';

const name = str(255);
const short = str(127);
const long = str(MAX_CAUSE);
const text = blob(65_536);

export const empty = group({});

export const imageId = group({
  basename: name,
  date: short,
  fullname: name,
  number1: u32,
  number2: u32,
  text1: short,
  text2: short,
});
export type WireImageId = ValueOf<typeof imageId>;

export const imageInfo = group({
  size: u64,
  stored: u64,
  created: u64,
  modified: u64,
  locked_until: u64,
  flags: u32,
  fragments: u32,
  metas: u32,
});
export type WireImageInfo = ValueOf<typeof imageInfo>;

export const imageEntry = group({ id: imageId, info: imageInfo });
export type WireImageEntry = ValueOf<typeof imageEntry>;

export const attachSlot = group({ slot: u32, state: u32, chunk: u64, start: u64, length: u32, flags: u32 });
export type WireAttachSlot = ValueOf<typeof attachSlot>;

export const event = group({ sequence: u64, time: u64, type: u32, payload_bytes: u32, lsu: name, image: imageId });
export type WireEvent = ValueOf<typeof event>;

export const error = group({ result: u32, detail: u64, cause: long });
export type WireError = ValueOf<typeof error>;

export const hello = group({
  magic: u64,
  major: u16,
  minor: u16,
  connection: u32,
  features: u64,
  session: key,
  arena_bytes: u64,
  slots_offset: u64,
  slot_bytes: u32,
  slot_count: u32,
  journal_bytes: u32,
  journal_count: u32,
  pid: u32,
  program: chars(64),
  version: chars(64),
  reserved: chars(40),
});
export type WireHello = ValueOf<typeof hello>;
export const helloOk = group({ major: u16, minor: u16, features: u64, instance: key, version: short });

export const serverOpen = group({
  server: u64,
  name,
  interface: name,
  cred_type: u32,
  user: long,
  secret: long,
  job: short,
});
export const server = group({ server: u64 });
export const serverProp = group({ server: u64, name });
export const serverInfo = group({ name, version: short, capabilities: u64, max_handles: u32 });
export type WireServerInfo = ValueOf<typeof serverInfo>;
export const configText = group({ text });
export const configSet = group({ server: u64, text });

export const lsuList = group({ server: u64, max: u32, cursor: long });
export const lsuPage = group({ cursor: long, names: list(group({ name }), MAX_LIST_NAMES) });
export const lsuProp = group({ server: u64, lsu: name });
export const lsuInfo = group({
  name,
  label: name,
  description: name,
  flags: u64,
  capacity: u64,
  used: u64,
  phys_capacity: u64,
  phys_used: u64,
  images: u64,
  worm_minimum: u64,
  worm_maximum: u64,
});
export type WireLsuInfo = ValueOf<typeof lsuInfo>;
export const lsuLabel = group({ server: u64, lsu: name, label: name });

export const imageCreate = group({ handle: u64, server: u64, lsu: name, id: imageId, flags: u32, journal: u32 });
export type WireImageCreate = ValueOf<typeof imageCreate>;
export const imageOpen = group({ handle: u64, server: u64, lsu: name, id: imageId, mode: u32, journal: u32 });
export type WireImageOpen = ValueOf<typeof imageOpen>;
export const imageOpened = group({ chunk_bytes: u32, window: u32, first_chunk: u64, info: imageInfo });
export type WireImageOpened = ValueOf<typeof imageOpened>;
export const slotWant = group({ handle: u64, chunk: u64, slot: u32 });
export const slotGranted = group({ present: u32 });
export const slotFull = group({ handle: u64, chunk: u64, slot: u32, length: u32, flags: u32 });
export const slot = group({ handle: u64, slot: u32 });
export const imageError = group({ handle: u64, result: u32, cause: long });
export const image = group({ handle: u64 });
export const imageClose = group({ handle: u64, mode: u32, size: u64 });
export const imageClosed = group({ report: long });
export const imageAttach = group({
  handle: u64,
  server: u64,
  lsu: name,
  id: imageId,
  mode: u32,
  journal: u32,
  chunk_bytes: u32,
  slots: list(attachSlot, MAX_IMAGE_SLOTS),
});
export type WireImageAttach = ValueOf<typeof imageAttach>;
export const imageAttached = group({ state: u32 });
export const imageRead = group({ handle: u64, offset: u64, length: u32, slot: u32, hint: u32 });
export type WireImageRead = ValueOf<typeof imageRead>;
export const imageRange = group({ start: u64, length: u32, slot_offset: u32, flags: u32 });
export type WireImageRange = ValueOf<typeof imageRange>;
export const imageName = group({ server: u64, lsu: name, id: imageId });
export const imageDelete = group({ server: u64, lsu: name, id: imageId, flags: u32 });
export const imageList = group({ server: u64, lsu: name, kinds: u32, max: u32, cursor: long });
export const imagePage = group({ cursor: long, images: list(imageEntry, MAX_LIST_IMAGES) });

export const metaWrite = group({ handle: u64, index: u32, slot: u32, length: u32 });
export const metaRead = group({ handle: u64, index: u32, slot: u32 });
export const metaLength = group({ length: u32 });

export const copyStart = group({
  operation: u64,
  from_server: u64,
  from_lsu: name,
  from: imageId,
  to_server: u64,
  to_lsu: name,
  to: imageId,
  flags: u32,
});
export type WireCopyStart = ValueOf<typeof copyStart>;
export const copyWait = group({ operation: u64, timeout_ms: u32 });
export const copyStatus = group({ state: u32, done: u64, total: u64 });
export type WireCopyStatus = ValueOf<typeof copyStatus>;
export const copy = group({ operation: u64 });

export const eventGet = group({ server: u64, after: u64, timeout_ms: u32, max: u32 });
export const eventPage = group({ latest: u64, events: list(event, MAX_LIST_EVENTS) });
export type WireEventPage = ValueOf<typeof eventPage>;
export const eventPayload = group({ server: u64, sequence: u64 });
export const eventData = group({ data: text });
