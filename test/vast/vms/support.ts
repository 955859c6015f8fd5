import type { Test } from 'tap';
import type { RetryClock } from '../../../src/vast/retry.ts';
import { VmsClient, type VmsClientOptions } from '../../../src/vast/vms/client.ts';
import type { VmsCredentials } from '../../../src/vast/vms/credentials.ts';
import { type FakeVms, PASSWORD, USER } from './fake-vms.ts';

/** Time that passes only when somebody sleeps or says so. */
export class VirtualClock implements RetryClock {
  ms = 0;
  readonly sleeps: number[] = [];
  now = (): number => this.ms;
  random = (): number => 1;
  sleep = async (ms: number): Promise<void> => {
    this.sleeps.push(ms);
    this.ms += ms;
  };
}

export const LOGIN: VmsCredentials = { kind: 'password', user: USER, password: PASSWORD };

export interface TestClientOptions extends Partial<Omit<VmsClientOptions, 'credentials'>> {
  readonly credentials?: VmsCredentials | VmsClientOptions['credentials'];
}

export function clientOf(t: Test, fake: FakeVms, options: TestClientOptions = {}): VmsClient {
  const { credentials = LOGIN, ...rest } = options;
  const client = new VmsClient({
    origin: new URL(fake.url),
    clock: new VirtualClock(),
    credentials: typeof credentials === 'function' ? credentials : async () => credentials,
    ...rest,
  });
  t.teardown(() => client.close());
  return client;
}
