// What changes every second.
/** @import { Flow, State } from '../schemas.ts' */
import { byId, make, show } from './dom.js';
import { between, percent, rate, size } from './format.js';

const FLOWS = { backup: 'Backup', restore: 'Restore' };

/** @param {State} state */
export function showLive(state) {
  const { engine } = state;
  show(byId('engine'), engine, () => [
    `${engine.version}, up ${between(engine.began, state.at)}, ${engine.sessions} host processes${engine.draining ? ', stopping' : ''}`,
  ]);
  const busy = state.flows.filter(({ stages }) => stages.length > 0);
  show(byId('bottleneck'), sentences(busy), () => [sentences(busy)]);
  show(byId('flows'), busy, () => busy.map(flowPicture));
  show(byId('queues'), [state.queues, state.memory], () => queues(state));
}

/** @param {Flow[]} flows */
function sentences(flows) {
  if (flows.length === 0) return 'Nothing runs.';
  // The share moves all the time; whoever listens wants to hear of another culprit only.
  return flows
    .map(({ flow, bottleneck }) =>
      bottleneck === null ? `${FLOWS[flow]}: nothing moves.` : `${FLOWS[flow]} is held back by ${bottleneck.text}.`,
    )
    .join(' ');
}

/** @param {Flow} flow */
function flowPicture({ flow, bytes_per_second, stages, bottleneck }) {
  const boxes = stages.map((stage) => {
    const limits = stage.stage === bottleneck?.stage;
    const words = `busy ${percent(stage.busy)}, nothing to work on ${percent(stage.waits_upstream)}, backpressure ${percent(stage.waits_downstream)}`;
    return make(
      'li',
      { class: limits ? 'limits' : '' },
      make('strong', {}, stage.stage),
      make('span', {}, stage.bytes_per_second === null ? '–' : rate(stage.bytes_per_second)),
      bar(stage, words),
      make('small', {}, `${percent(stage.busy)} busy, ${stage.streams} streams`),
      limits
        ? make('span', { class: 'mark' }, `bottleneck: ${bottleneck.limit}, ${percent(bottleneck.share)}`)
        : undefined,
    );
  });
  const title = `${FLOWS[flow]}: ${rate(bytes_per_second)}`;
  return make(
    'div',
    {},
    make('h3', {}, title),
    make('ol', { class: 'stages', 'aria-label': `stages of ${flow}` }, ...boxes),
  );
}

/**
 * @param {Flow['stages'][number]} stage
 * @param {string} words
 */
function bar(stage, words) {
  const parts = /** @type {const} */ ([
    ['busy', stage.busy],
    ['upstream', stage.waits_upstream],
    ['downstream', stage.waits_downstream],
  ]).map(([kind, share]) => {
    const part = make('i', { class: kind });
    part.style.width = `${share * 100}%`;
    return part;
  });
  return make('div', { class: 'bar', role: 'img', 'aria-label': words, title: words }, ...parts);
}

/** @param {State} state */
function queues({ queues: now, memory }) {
  const slots = Object.entries(now.slots).map(([name, count]) => `${count} ${name}`);
  const meter = make('meter', { min: 0, max: memory.limit, value: memory.used, 'aria-label': 'payload memory in use' });
  /** @type {[string, (Node | string)[]][]} */
  const entries = [
    ['Payload memory', [meter, ` ${size(memory.used)} of ${size(memory.limit)}`]],
    ['Parts in flight', [String(now.parts_in_flight)]],
    ['Requests that wait for a place', [String(now.parts_waiting)]],
    ['Slots', [slots.length === 0 ? 'none in use' : slots.join(', ')]],
    ['Wait for memory', [`${now.stages_waiting} stages, ${now.slots_waiting} hosts`]],
  ];
  return entries.map(([term, what]) => make('div', {}, make('dt', {}, term), make('dd', {}, ...what)));
}
