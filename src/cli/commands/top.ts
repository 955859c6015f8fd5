import type { Settings } from '../../config/settings.ts';
import { liveStates } from '../live-states.ts';
import { printJson } from '../output.ts';
import { screenOf } from '../top-screen.ts';

const WIDTH = 160;
const HEIGHT = 1_000;
/** The terminal's other screen, without a cursor; and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

export interface TopOptions {
  /** Default: where the configuration says. */
  readonly url?: string;
  /** One picture, then end. */
  readonly once?: boolean;
  readonly json: boolean;
}

/** `vast-ost top`: what the console shows, in a terminal, every second. */
export async function top(
  settings: Settings,
  { url, once = false, json }: TopOptions,
  signal: AbortSignal,
): Promise<void> {
  const { stdout } = process;
  const moving = stdout.isTTY && !once && !json;
  if (moving) stdout.write(ENTER);
  try {
    for await (const state of liveStates(settings, url, signal)) {
      const lines = screenOf(state, stdout.columns ?? WIDTH, moving ? stdout.rows : HEIGHT);
      if (json) printJson(state);
      else if (moving)
        stdout.write(`${HOME}${lines.map((line) => `${line}${REST_OF_LINE}`).join('\r\n')}${REST_OF_SCREEN}`);
      else stdout.write(`${lines.join('\n')}\n${once ? '' : '\n'}`);
      if (once) return;
    }
  } finally {
    if (moving) stdout.write(LEAVE);
  }
}
