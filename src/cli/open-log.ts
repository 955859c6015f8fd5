import { type DestinationStream, type Logger, pino } from 'pino';

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

/** A log file, or the descriptor of one, to which lines are appended. */
export function logDestination(dest: string | number, mode: number): LogDestination {
  return pino.destination({ dest, append: true, mkdir: false, sync: true, mode });
}

/** JSON lines. What is under the name of a secret, at the top of a line or up to three levels below, is left out. */
export function openLog(level: string, destination: DestinationStream): Logger {
  const paths = SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]);
  return pino({ level, name: 'vast-ost', redact: { paths, censor: '[secret]' } }, destination);
}
