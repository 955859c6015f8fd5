// What is asked for every few seconds.
/** @import { Action, Actions, EndedImage, Errors, Events, Images, Lsus, Vips } from '../schemas.ts' */
import { byId, make, nothing, show, table } from './dom.js';
import { between, percent, size, time } from './format.js';

/**
 * @typedef {object} Handlers
 * @property {(image: EndedImage, kind: 'verify' | 'restore-check') => void} check
 * @property {(action: Action) => void} cancel
 */

/**
 * @param {Images} images
 * @param {Handlers} handlers
 */
export function showRecent({ ended }, handlers) {
  show(byId('recent-content'), ended, () => {
    if (ended.length === 0) return [nothing('No image was closed since the engine began.')];
    const rows = ended.map((image) => [
      make('span', {}, image.name, make('small', { class: 'soft' }, ` ${image.server}/${image.lsu}`)),
      image.operation,
      make('span', { class: image.result === 'failed' ? 'bad' : '' }, image.result, reason(image)),
      nowrap(size(image.bytes)),
      nowrap(size(image.stored)),
      between(image.began, image.ended),
      timeSplit(image),
      time(image.ended),
      image.result === 'complete' && image.operation !== 'delete' ? checks(image, handlers) : '',
    ]);
    const headings = ['Image', 'What', 'Result', 'Bytes', 'Stored', 'Took', 'Busy time by stage', 'Ended', 'Check'];
    return [table('Recent images', headings, rows)];
  });
}

/** @param {string} text */
const nowrap = (text) => make('span', { class: 'nowrap' }, text);

/** @param {EndedImage} image */
function reason({ error }) {
  return error === null ? undefined : make('div', {}, error.message, error.advice === null ? '' : ` → ${error.advice}`);
}

/** @param {EndedImage} image */
function timeSplit({ stages }) {
  const all = stages.reduce((sum, { busy_seconds }) => sum + busy_seconds, 0);
  if (all === 0) return '–';
  const parts = stages.filter(({ busy_seconds }) => busy_seconds / all >= 0.005);
  return parts.map(({ stage, busy_seconds }) => `${stage} ${percent(busy_seconds / all)}`).join(', ');
}

/**
 * @param {EndedImage} image
 * @param {Handlers} handlers
 */
function checks(image, { check }) {
  const button = (/** @type {'verify' | 'restore-check'} */ kind) =>
    make(
      'button',
      {
        type: 'button',
        'data-key': `${kind} ${image.server}/${image.lsu}/${image.image_id} ${image.ended}`,
        'aria-label': `${kind} ${image.name}`,
        click: () => check(image, kind),
      },
      kind,
    );
  return make('span', { class: 'nowrap' }, button('verify'), ' ', button('restore-check'));
}

/** @param {Lsus} answer */
export function showLsus({ lsus, unreachable }) {
  show(byId('lsus-content'), [lsus, unreachable], () => [
    unreachable.length > 0
      ? make('p', { class: 'bad' }, `These could not be asked now: ${unreachable.join(', ')}`)
      : undefined,
    lsus.length === 0
      ? nothing('No LSU is known.')
      : table(
          'LSUs',
          ['LSU', 'Server', 'Where', 'Used', 'After data reduction', 'Last scrubbed'],
          lsus.map((lsu) => [
            lsu.lsu,
            lsu.server,
            lsu.where,
            fill(lsu.lsu, lsu.used, lsu.size),
            fill(`${lsu.lsu}, after data reduction`, lsu.physical_used, lsu.physical_size),
            lsu.scrubbed === null ? '–' : time(lsu.scrubbed),
          ]),
        ),
  ]);
}

/**
 * @param {string} what
 * @param {number | null} used
 * @param {number | null} whole
 */
function fill(what, used, whole) {
  if (used === null || whole === null || whole === 0) return size(used);
  const meter = make('meter', { min: 0, max: whole, high: whole * 0.9, value: used, 'aria-label': what });
  return make('span', {}, meter, ` ${percent(used / whole)}, ${size(used)} of ${size(whole)}`);
}

/** @param {Vips} answer */
export function showVips({ servers }) {
  show(byId('vips-content'), servers, () => {
    if (servers.length === 0) return [nothing('No storage server has data VIPs.')];
    const failed = servers.flatMap(({ server, lookup_error }) =>
      lookup_error === null ? [] : [make('p', { class: 'bad' }, `${server}: ${lookup_error}`)],
    );
    const rows = servers.flatMap(({ server, vips }) =>
      vips.map((vip) => [
        vip.vip,
        server,
        make('span', { class: vip.state === 'quarantined' ? 'bad' : '' }, vip.state),
        `${vip.in_flight} of ${Math.floor(vip.limit)}`,
        vip.requests,
        vip.failures,
        vip.last_error ?? '',
      ]),
    );
    return [
      ...failed,
      table('Data VIPs', ['VIP', 'Server', 'State', 'In flight', 'Requests', 'Failures', 'Last error'], rows),
    ];
  });
}

/** @param {Errors} answer */
export function showErrors({ errors }) {
  show(byId('errors-content'), errors, () => {
    if (errors.length === 0) return [nothing('Nothing went wrong since the engine began.')];
    const rows = errors.map((error) => [
      make('span', {}, make('code', {}, error.code), ` ${error.message}`),
      error.advice ?? 'see the log',
      error.where,
      error.times,
      time(error.last),
    ]);
    return [table('Errors', ['What went wrong', 'What to do', 'Where', 'Times', 'Last'], rows)];
  });
}

/**
 * @param {Actions} answer
 * @param {Handlers} handlers
 */
export function showActions({ actions }, handlers) {
  show(byId('actions-content'), actions, () => {
    if (actions.length === 0) return [nothing('None was begun since the engine began.')];
    const rows = actions.map((action) => [
      `${action.server}/${action.lsu}/${action.image}`,
      action.kind,
      make('span', { class: action.state === 'failed' ? 'bad' : '' }, action.state, failure(action)),
      progress(action),
      action.by,
      time(action.began),
      action.ended === null
        ? make(
            'button',
            {
              type: 'button',
              'data-key': action.id,
              'aria-label': `cancel the check of ${action.image}`,
              click: () => handlers.cancel(action),
            },
            'Cancel',
          )
        : '',
    ]);
    return [table('Checks', ['Image', 'Check', 'State', 'Read', 'By', 'Began', 'Stop'], rows)];
  });
}

/** @param {Action} action */
function failure({ error, state }) {
  if (error === null || state !== 'failed') return undefined;
  return make('div', {}, error.message, error.advice === null ? '' : ` → ${error.advice}`);
}

/** @param {Action} action */
function progress({ size: whole, bytes, image }) {
  if (whole === null) return size(bytes);
  const bar = make('progress', { max: Math.max(1, whole), value: bytes, 'aria-label': `read of ${image}` });
  return make('span', {}, bar, ` ${size(bytes)} of ${size(whole)}`);
}

/** @param {Events} answer */
export function showEvents({ events }) {
  show(byId('events-content'), events, () => {
    if (events.length === 0) return [nothing('There are none.')];
    const rows = events.map((event) => [
      time(event.time),
      event.type,
      `${event.server}${event.lsu === '' ? '' : `/${event.lsu}`}`,
      event.image ?? '',
      event.payload,
    ]);
    return [table('Events', ['Time', 'Event', 'Where', 'Image', 'More'], rows)];
  });
}
