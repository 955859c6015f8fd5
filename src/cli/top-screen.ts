import type { Flow, State } from '../console/schemas.ts';
import { formatDuration, formatSize } from '../units.ts';

const BAR = 20;
const NAME_WIDTH = 40;

/** The picture of an engine as lines of a terminal, none wider than `columns`, at most `rows` of them. */
export function screenOf(state: State, columns: number, rows: number): string[] {
  const lines = [headline(state), ...state.flows.flatMap(flowLines), '', ...imageLines(state)];
  if (state.problems > 0) lines.push('', `${state.problems} different errors are kept: see the console, or the log`);
  return lines.slice(0, rows).map((line) => printable(line).slice(0, columns));
}

function headline({ at, engine, memory, queues }: State): string {
  const up = formatDuration((Date.parse(at) - Date.parse(engine.began)) / 1000);
  return [
    `vast-ost ${engine.version}${engine.draining ? ' (stopping)' : ''}`,
    `up ${up}`,
    `${engine.sessions} host processes`,
    `memory ${formatSize(memory.used)} of ${formatSize(memory.limit)}`,
    `${queues.parts_in_flight} parts in flight, ${queues.parts_waiting} waiting`,
    `${queues.slots_waiting} hosts wait for memory`,
  ].join('   ');
}

function flowLines({ flow, bytes_per_second, stages, bottleneck }: Flow): string[] {
  if (stages.length === 0) return ['', `${flow}: nothing runs`];
  const held =
    bottleneck === null
      ? 'nothing moves'
      : `held back by ${bottleneck.text} [${bottleneck.limit}, ${percent(bottleneck.share).trim()}]`;
  const width = Math.max(...stages.map(({ stage }) => stage.length));
  return [
    '',
    `${flow} ${rate(bytes_per_second)}   ${held}`,
    ...stages.map((stage) => {
      const mark = stage.stage === bottleneck?.stage ? '>' : ' ';
      const throughput = stage.bytes_per_second === null ? '-' : rate(stage.bytes_per_second);
      const shares = `busy ${percent(stage.busy)}  nothing to do ${percent(stage.waits_upstream)}  backpressure ${percent(stage.waits_downstream)}`;
      return `${mark} ${stage.stage.padEnd(width)}  [${bar(stage)}]  ${shares}  ${throughput.padStart(14)}  ${stage.streams} streams`;
    }),
  ];
}

/** `#` works, `.` has nothing to do, `=` waits for those below. */
function bar({ busy, waits_downstream: down }: Flow['stages'][number]): string {
  const busyCells = Math.round(busy * BAR);
  const downCells = Math.min(BAR - busyCells, Math.round(down * BAR));
  return `${'#'.repeat(busyCells)}${'='.repeat(downCells)}${'.'.repeat(BAR - busyCells - downCells)}`;
}

function imageLines({ at, images }: State): string[] {
  if (images.running === 0) return ['no image is open'];
  const lines = images.shown.map((image) => {
    const done = image.size === null || image.size === 0 ? '' : ` ${percent(image.bytes / image.size).trim()}`;
    const age = formatDuration((Date.parse(at) - Date.parse(image.began)) / 1000);
    return [
      `  ${image.operation.padEnd(5)}`,
      image.name.slice(0, NAME_WIDTH).padEnd(NAME_WIDTH),
      `${image.server}/${image.lsu}`,
      `${formatSize(image.bytes)}${done}`,
      rate(image.bytes_per_second),
      age,
      image.bottleneck?.limit ?? '',
    ].join('  ');
  });
  return [`${images.running} images are open`, ...lines];
}

function rate(bytesPerSecond: number): string {
  return `${formatSize(Math.round(bytesPerSecond))}/s`;
}

function percent(share: number): string {
  return `${String(Math.round(share * 100)).padStart(3)}%`;
}

/** Names come from hosts, and a terminal obeys what is written to it. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?');
}
