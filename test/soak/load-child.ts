/** A process of load-processes.ts: hosts with open images, which do what they are told over the channel to the parent. */
import { Host } from '../ost/support/host.ts';
import { type Latencies, LoadHost, type Stream } from './load-host.ts';

/** What the parent may ask for, one after the other; each is answered. */
export type LoadCommand =
  | { readonly do: 'connect'; readonly socket: string; readonly hosts: number; readonly handles: number }
  | { readonly do: 'open'; readonly images: number }
  | { readonly do: 'write' }
  | { readonly do: 'close' }
  | { readonly do: 'stream'; readonly sizes: number }
  | { readonly do: 'mark' }
  | { readonly do: 'stop' };

export interface LoadAnswer {
  /** Bytes of each stream that storage has acknowledged. */
  readonly acknowledged: readonly number[];
  /** Of the calls since the last answer. */
  readonly latencies: Latencies;
}

const hosts: Host[] = [];
const loads: LoadHost[] = [];
const streams: Stream[] = [];

async function connect(socket: string, count: number, handles: number): Promise<void> {
  for (let nth = 0; nth < count; nth += 1) {
    const host = new Host({ slotCount: Math.min(64, 4 * handles), journalCount: handles });
    await host.connect(socket);
    await host.openServer();
    hosts.push(host);
    loads.push(new LoadHost(host, 'lsu-1'));
  }
}

async function obey(command: LoadCommand): Promise<void> {
  if (command.do === 'connect') await connect(command.socket, command.hosts, command.handles);
  if (command.do === 'open') await Promise.all(loads.map((load) => load.openMany(command.images)));
  if (command.do === 'write') await Promise.all(loads.map((load) => load.writeEach()));
  if (command.do === 'close') await Promise.all(loads.map((load) => load.closeAll()));
  if (command.do === 'stream') for (const load of loads) streams.push(load.stream(command.sizes));
  if (command.do === 'stop') {
    for (const load of loads) load.stop();
    await Promise.all(streams.map(({ done }) => done));
    for (const host of hosts) await host.close();
  }
}

function answer(): LoadAnswer {
  const taken = (name: keyof Latencies): number[] => loads.flatMap(({ latencies }) => latencies[name].splice(0));
  const latencies = { open: taken('open'), write: taken('write'), close: taken('close') };
  return { acknowledged: streams.map(({ acknowledged }) => acknowledged), latencies };
}

process.on('message', (command: LoadCommand) => {
  obey(command).then(
    () => process.send?.(answer()),
    (error: unknown) => {
      throw error;
    },
  );
});
