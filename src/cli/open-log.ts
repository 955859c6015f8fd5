import { type DestinationStream, type Logger, pino } from 'pino';
import { EngineError } from '../errors.ts';
import { traceOf } from '../tracing/spans.ts';

/** Where a log goes. */
export type LogDestination = DestinationStream & {
  /** Open the file by its name again. */
  reopen(): void;
};

/** What no line may show, wherever it stands. Nobody logs these on purpose. */
const SECRETS = [
  'password',
  'secret',
  'secretAccessKey',
  'secret_access_key',
  'sessionToken',
  'token',
  'authorization',
  'cookie',
];

/**
 * A log file, or the descriptor of one, to which lines are appended.
 * @throws EngineError VOST_LOG_FILE (`usage`)
 */
export function logDestination(dest: string | number, mode: number): LogDestination {
  try {
    return pino.destination({ dest, append: true, mkdir: false, sync: true, mode });
  } catch (cause) {
    const { message } = cause as Error;
    throw new EngineError('VOST_LOG_FILE', 'usage', `cannot open the log file ${dest}: ${message}`, {
      cause,
      advice: 'make its folder, or name another log_file in [logging]',
    });
  }
}

/** JSON lines. What is under the name of a secret, at the top of a line or up to three levels below, is left out. */
export function openLog(level: string, destination: DestinationStream): Logger {
  const paths = SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]);
  return pino({ level, name: 'vast-ost', mixin: traceOf, redact: { paths, censor: '[secret]' } }, destination);
}
