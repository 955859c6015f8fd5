// Running images, a page at a time: the first one is of the live picture, the others are asked for.
/** @import { Images, State } from '../schemas.ts' */
import { ask } from './api.js';
import { byId, make, nothing, show, table } from './dom.js';
import { between, duration, rate, size } from './format.js';

/** As many as the live picture has. */
const PAGE = 100;

let offset = 0;
/** @type {State | undefined} */
let latest;
/** @type {State['images']['shown']} */
let later = [];

/** @param {State} state */
export function showRunning(state) {
  latest = state;
  // The last ones of a page that was looked at have ended.
  if (offset >= state.images.running) offset = 0;
  render();
}

/** What the live picture does not have. */
export async function refreshRunning() {
  const asked = offset;
  if (asked === 0) return;
  /** @type {Images} */
  const { running } = await ask(`/images?offset=${asked}&limit=${PAGE}`);
  if (asked !== offset) return;
  later = running;
  render();
}

/** @param {number} next */
async function turnTo(next) {
  offset = next;
  later = [];
  render();
  await refreshRunning().catch(() => undefined);
}

function render() {
  if (latest === undefined) return;
  const { at, images } = latest;
  const shown = offset === 0 ? images.shown : later;
  show(byId('running-content'), [offset, images.running, shown], () => {
    if (images.running === 0) return [nothing('No image is open.')];
    return [pager(images.running), tableOf(shown, at)];
  });
}

/** @param {number} running */
function pager(running) {
  if (running <= PAGE) return undefined;
  const last = Math.min(running, offset + PAGE);
  const button = (/** @type {string} */ name, /** @type {number} */ to) =>
    make(
      'button',
      {
        type: 'button',
        'data-key': `running ${name}`,
        disabled: to < 0 || to >= running,
        click: () => void turnTo(to),
      },
      name,
    );
  return make(
    'p',
    { class: 'pager' },
    button('Previous', offset - PAGE),
    ` ${offset + 1} to ${last} of ${running}, those first that are open longest `,
    button('Next', offset + PAGE),
  );
}

/**
 * @param {State['images']['shown']} images
 * @param {string} at
 */
function tableOf(images, at) {
  const rows = images.map((image) => {
    const { size: whole, bytes } = image;
    const words = whole === null ? size(bytes) : `${size(bytes)} of ${size(whole)}`;
    const done =
      whole === null
        ? make('progress', { 'aria-label': `${image.name}: being written` })
        : make('progress', { 'aria-label': image.name, max: Math.max(1, whole), value: bytes });
    return [
      make('span', {}, image.name, make('small', { class: 'soft' }, ` ${image.server}/${image.lsu}`)),
      image.operation,
      make('span', {}, done, ` ${words}`),
      rate(image.bytes_per_second),
      between(image.began, at),
      image.parts_in_flight ?? '–',
      duration(image.host_waited_seconds * 1000),
      image.bottleneck?.limit ?? '–',
    ];
  });
  const headings = ['Image', 'What', 'Progress', 'Rate', 'Open for', 'Parts in flight', 'Host waited', 'Held back by'];
  return table('Running images', headings, rows);
}
