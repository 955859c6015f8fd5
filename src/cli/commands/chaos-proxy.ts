import { once } from 'node:events';
import { ChaosProxy, type Place } from '../../chaos/proxy.ts';
import { parseProxyRates, proxyPlan } from '../../chaos/proxy-faults.ts';
import { EngineError } from '../../errors.ts';
import { printJson } from '../output.ts';

export interface ChaosProxyOptions {
  readonly faults: string;
  readonly json: boolean;
}

/** `vast-ost chaos-proxy`: a TCP proxy that breaks connections, until interrupted; one line for every fault. */
export async function chaosProxy(
  listen: string,
  target: string,
  { faults, json }: ChaosProxyOptions,
  signal: AbortSignal,
): Promise<void> {
  const { seed, rules } = parseProxyRates(faults);
  const plan = proxyPlan(seed, rules, (event) => {
    if (json) printJson(event);
    else process.stdout.write(`${event.site}: ${event.rule}\n`);
  });
  const proxy = await ChaosProxy.listen(placeOf(listen), placeOf(target), plan);
  try {
    const { host, port } = proxy.address;
    if (json) printJson({ listening: `${host}:${port}`, seed });
    else process.stdout.write(`listening on ${host}:${port}, seed ${seed}; Ctrl-C ends it\n`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await proxy.close();
  }
}

/** `HOST:PORT`; IPv6 in brackets. */
function placeOf(text: string): Place {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/@]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new EngineError('VOST_BAD_ADDRESS', 'usage', `an address is HOST:PORT, not ${text}`);
}
