const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const UNITS = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const DAY_MINUTES = 24 * 60;
/** Slower than this, NetBackup's jobs would only run into their time-outs. */
const LEAST = 2 ** 20;
const MAX_WINDOWS = 64;

/**
 * @typedef {object} Window
 * @property {ReadonlySet<number>} days on which it begins; Sunday is 0
 * @property {number} from minutes after midnight
 * @property {number} to minutes after midnight, of the next day when it is not after `from`
 * @property {number | undefined} rate bytes per second; undefined: as fast as it goes
 */

/**
 * `200M`, `1.5G` or bytes: a rate in bytes per second; `unlimited` is undefined.
 *
 * @param {unknown} value
 * @returns {number | undefined}
 */
export function parseRate(value) {
  if (value === 'unlimited') return undefined;
  const [, number, unit] = /^([0-9]{1,15}(?:\.[0-9]{1,6})?)([KMGT]?)$/.exec(String(value)) ?? [];
  const rate = Number(number) * UNITS[/** @type {keyof typeof UNITS} */ (unit ?? '')];
  if (rate >= LEAST) return Math.floor(rate);
  throw new Error('must be unlimited, or bytes per second such as 200M or 1.5G, at least 1M');
}

/**
 * `mon-fri 08:00-18:00 200M; sat,sun 00:00-24:00 unlimited`: windows, of which the first that fits counts.
 *
 * @param {string} text
 * @returns {Window[]}
 */
export function parseWindows(text) {
  const parts = text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length > MAX_WINDOWS) throw new Error(`must be at most ${MAX_WINDOWS} windows`);
  return parts.map((part) => {
    const [, days = '', from = '', to = '', rate] =
      /^(\S+)\s+([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2})\s+(\S+)$/.exec(part) ?? [];
    if (rate === undefined) throw new Error(`has ${JSON.stringify(part)}, which is not DAYS HH:MM-HH:MM RATE`);
    const window = { days: parseDays(days), from: minutesOf(from), to: minutesOf(to), rate: parseRate(rate) };
    if (window.from === window.to || window.from === DAY_MINUTES) throw new Error(`has ${part}, which is no time`);
    return window;
  });
}

/** @param {string} text */
function parseDays(text) {
  /** @type {Set<number>} */
  const days = new Set();
  for (const part of text.toLowerCase().split(',')) {
    const [first = '', last = first] = part.split('-');
    const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)];
    if (from < 0 || to < 0) throw new Error(`has ${part}, which is none of ${DAYS.join(', ')}`);
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === to) break;
    }
  }
  return days;
}

/** @param {string} text */
function minutesOf(text) {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  const all = hours * 60 + minutes;
  if (minutes < 60 && all <= DAY_MINUTES) return all;
  throw new Error(`has ${text}, which is no time of the day`);
}

/**
 * The rate at a moment, by the clock of this machine's time zone.
 *
 * @param {readonly Window[]} windows
 * @param {number | undefined} otherwise outside of them
 * @param {Date} now
 */
export function rateAt(windows, otherwise, now) {
  const minute = now.getHours() * 60 + now.getMinutes();
  const day = now.getDay();
  const before = (day + 6) % 7;
  const found = windows.find(({ days, from, to }) => {
    if (from < to) return days.has(day) && minute >= from && minute < to;
    return (days.has(day) && minute >= from) || (days.has(before) && minute < to);
  });
  return found === undefined ? otherwise : found.rate;
}
