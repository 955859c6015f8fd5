import { defineStage } from 'vast-ost/stage';
import { optionsOf } from './options.js';
import { Pace } from './pace.js';
import { parseRate, parseWindows, rateAt } from './schedule.js';

/** @type {import('vast-ost/stage').StandardSchema<{ rate: string, windows: string }>} */
const optionsSchema = optionsOf({
  rate: (value = 'unlimited') => {
    parseRate(value);
    return String(value);
  },
  windows: (value = '') => {
    if (typeof value !== 'string') throw new Error('must be text such as mon-fri 08:00-18:00 200M');
    parseWindows(value);
    return value;
  },
});

/** One for each way in which the stage is configured: all images of that share its rate. */
/** @type {Map<string, { readonly pace: Pace, readonly rate: () => number | undefined }>} */
const paces = new Map();

/** @param {{ rate: string, windows: string }} options */
function paceOf({ rate, windows }) {
  const key = JSON.stringify([rate, windows]);
  const known = paces.get(key);
  if (known !== undefined) return known;
  const parsed = parseWindows(windows);
  const otherwise = parseRate(rate);
  const made = { pace: new Pace(), rate: () => rateAt(parsed, otherwise, new Date()) };
  paces.set(key, made);
  return made;
}

/** Holds each chunk back until it may pass. It looks at none of their bytes. */
export default defineStage({
  kind: 'observer',
  name: '@vast-ost/vast-ost-stage-throttle',
  version: '1.0.0',
  apiVersion: 1,
  optionsSchema,
  // It only waits, and all images have to wait in one place.
  placement: 'native',
  concurrency: 1,
  timeoutSeconds: 3600,
  sample: { pieces: 1, bytes: 1 },
  observe: async (_data, { length }, { options, signal }) => {
    const { pace, rate } = paceOf(options);
    await pace.pass(length, rate, signal);
    return null;
  },
});
