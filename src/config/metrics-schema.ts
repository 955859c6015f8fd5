import { isIP } from 'node:net';
import { z } from 'zod';
import { EngineError } from '../errors.ts';

/** Where metrics are served. */
export interface ListenAddress {
  /** IP address without brackets, or `localhost`. */
  readonly host: string;
  readonly port: number;
}

const FORM = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+|localhost)):([0-9]{1,5})$/;

const Listen = z.string().transform((text, context): ListenAddress | undefined => {
  if (text === 'off') return undefined;
  const [, six, other, digits] = FORM.exec(text) ?? [];
  const host = six ?? other ?? '';
  const port = Number(digits);
  if ((host === 'localhost' || isIP(host) !== 0) && port <= 65_535) return { host, port };
  context.addIssue({ code: 'custom', message: 'give off, or ADDRESS:PORT such as 127.0.0.1:9180 or [::1]:9180' });
  return z.NEVER;
});

/** `[metrics]`: what Prometheus scrapes. Documented in docs/service.md. */
export const metricsSchema = {
  listen: Listen.prefault('127.0.0.1:9180'),
  /** PEM files: the certificate with its chain, and its key. */
  tls_cert_file: z.string().startsWith('/').optional(),
  tls_key_file: z.string().startsWith('/').optional(),
  /** File with `user` and `password`, which whoever scrapes must give. */
  password_file: z.string().startsWith('/').optional(),
} as const;

type MetricsFields = { readonly [K in keyof typeof metricsSchema]: z.output<(typeof metricsSchema)[K]> };

/** @throws EngineError VOST_CONFIG (`usage`) for settings that would show metrics to everybody, or that contradict each other */
export function checkMetrics({ listen, tls_cert_file, tls_key_file, password_file }: MetricsFields): void {
  const refuse = (message: string, advice: string): never => {
    throw new EngineError('VOST_CONFIG', 'usage', `[metrics]: ${message}`, { advice });
  };
  const tls = tls_cert_file !== undefined;
  if (tls !== (tls_key_file !== undefined)) {
    refuse('tls_cert_file and tls_key_file belong together', 'give both or neither');
  }
  if (listen === undefined || isLoopback(listen.host)) return;
  if (!tls || password_file === undefined) {
    refuse(
      `${listen.host} can be reached from other machines, which needs TLS and a password`,
      'set tls_cert_file, tls_key_file and password_file, or listen on 127.0.0.1',
    );
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
