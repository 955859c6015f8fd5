import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LoadAnswer, LoadCommand } from './load-child.ts';
import type { Latencies } from './load-host.ts';

const CHILD = fileURLToPath(new URL('./load-child.ts', import.meta.url));

/** Processes full of hosts in front of a real engine. */
export class LoadProcesses {
  readonly #children: ChildProcess[] = [];

  /** @param handles images that each host may have open. */
  static async start(
    socket: string,
    count: number,
    { hosts, handles }: { readonly hosts: number; readonly handles: number },
  ): Promise<LoadProcesses> {
    const processes = new LoadProcesses();
    for (let nth = 0; nth < count; nth += 1) processes.#children.push(fork(CHILD));
    await Promise.all(processes.#children.map((child) => ask(child, { do: 'connect', socket, hosts, handles })));
    return processes;
  }

  /** Tell all of them, and wait for all of them. */
  async tell(command: Exclude<LoadCommand, { do: 'connect' }>): Promise<LoadAnswer> {
    const answers = await Promise.all(this.#children.map((child) => ask(child, command)));
    const all = (name: keyof Latencies): number[] => answers.flatMap(({ latencies }) => latencies[name]);
    return {
      acknowledged: answers.flatMap(({ acknowledged }) => acknowledged),
      latencies: { open: all('open'), write: all('write'), close: all('close') },
    };
  }

  kill(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

async function ask(child: ChildProcess, command: LoadCommand): Promise<LoadAnswer> {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = once(child, 'exit', { signal }).then(([code, name]) => {
    throw new Error(`a host process ended with ${name ?? code}`);
  });
  ended.catch(() => undefined);
  try {
    const answer = once(child, 'message', { signal }) as Promise<[LoadAnswer]>;
    answer.catch(() => undefined);
    child.send(command);
    return (await Promise.race([answer, ended]))[0];
  } finally {
    stop.abort();
  }
}
