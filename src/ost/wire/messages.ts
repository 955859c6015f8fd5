/** The catalogue of docs/engine-protocol.md section 4: types, payloads, who sends what. */
import * as groups from './groups.ts';
import type { Kind, ValueOf } from './kinds.ts';

/** A message that is answered. */
export interface RequestMessage<Q, A> {
  readonly type: number;
  readonly request: Kind<Q>;
  readonly answer: Kind<A>;
}
/** A message without an answer. */
export interface NoticeMessage<N> {
  readonly type: number;
  readonly notice: Kind<N>;
}

const request = <Q, A>(type: number, question: Kind<Q>, answer: Kind<A>): RequestMessage<Q, A> => ({
  type,
  request: question,
  answer,
});
const notice = <N>(type: number, payload: Kind<N>): NoticeMessage<N> => ({ type, notice: payload });

export const requests = {
  HELLO: request(0x0001, groups.hello, groups.helloOk),
  PING: request(0x0002, groups.empty, groups.empty),
  SERVER_OPEN: request(0x0010, groups.serverOpen, groups.serverInfo),
  SERVER_CLOSE: request(0x0011, groups.server, groups.empty),
  SERVER_PROP: request(0x0012, groups.serverProp, groups.serverInfo),
  CONFIG_GET: request(0x0013, groups.server, groups.configText),
  CONFIG_SET: request(0x0014, groups.configSet, groups.empty),
  LSU_LIST: request(0x0020, groups.lsuList, groups.lsuPage),
  LSU_PROP: request(0x0021, groups.lsuProp, groups.lsuInfo),
  LSU_LABEL: request(0x0022, groups.lsuLabel, groups.empty),
  IMAGE_CREATE: request(0x0030, groups.imageCreate, groups.imageOpened),
  IMAGE_OPEN: request(0x0031, groups.imageOpen, groups.imageOpened),
  SLOT_WANT: request(0x0032, groups.slotWant, groups.slotGranted),
  IMAGE_FLUSH: request(0x0037, groups.image, groups.empty),
  IMAGE_CLOSE: request(0x0038, groups.imageClose, groups.imageClosed),
  IMAGE_ATTACH: request(0x0039, groups.imageAttach, groups.imageAttached),
  IMAGE_READ: request(0x003a, groups.imageRead, groups.imageRange),
  IMAGE_PROP: request(0x003b, groups.image, groups.imageEntry),
  IMAGE_PROP_BYNAME: request(0x003c, groups.imageName, groups.imageEntry),
  IMAGE_LIST: request(0x003d, groups.imageList, groups.imagePage),
  IMAGE_DELETE: request(0x003e, groups.imageDelete, groups.empty),
  META_WRITE: request(0x0040, groups.metaWrite, groups.empty),
  META_READ: request(0x0041, groups.metaRead, groups.metaLength),
  COPY_START: request(0x0050, groups.copyStart, groups.empty),
  COPY_WAIT: request(0x0051, groups.copyWait, groups.copyStatus),
  COPY_CANCEL: request(0x0052, groups.copy, groups.empty),
  EVENT_GET: request(0x0060, groups.eventGet, groups.eventPage),
  EVENT_PAYLOAD: request(0x0061, groups.eventPayload, groups.eventData),
} as const;

export const notices = {
  SLOT_FULL: notice(0x0033, groups.slotFull),
  SLOT_FREE: notice(0x0034, groups.slot),
  SLOT_RETURN: notice(0x0035, groups.slot),
  IMAGE_ERROR: notice(0x0036, groups.imageError),
  COPY_RELEASE: notice(0x0053, groups.copy),
} as const;

export type RequestName = keyof typeof requests;
export type NoticeName = keyof typeof notices;
/** What a request carries. */
export type Question<N extends RequestName> = ValueOf<(typeof requests)[N]['request']>;
/** What its answer carries. */
export type Answer<N extends RequestName> = ValueOf<(typeof requests)[N]['answer']>;
/** What a notice carries. */
export type Notice<N extends NoticeName> = ValueOf<(typeof notices)[N]['notice']>;
