import type { Bridge } from '../bridge/bridge.ts';

/** How often systemd hears that stopping takes longer, and how much longer. */
const EXTEND_EVERY_MS = 5_000;
const EXTEND_BY_MS = 30_000;

/** What systemd wants to know of a service with Type=notify: sd_notify(3), without its library. */
export class ServiceManager {
  readonly #bridge: Pick<Bridge, 'sendDatagram'>;
  readonly #address: string | undefined;
  readonly #watchdogMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param env NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them; without the first nothing is ever sent. */
  constructor(bridge: Pick<Bridge, 'sendDatagram'>, env: NodeJS.ProcessEnv = process.env) {
    this.#bridge = bridge;
    this.#address = env['NOTIFY_SOCKET'];
    const forUs = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(process.pid);
    const micros = Number(env['WATCHDOG_USEC'] ?? 0);
    this.#watchdogMs = forUs && micros > 0 ? micros / 1000 : 0;
  }

  /** Started; from now on the watchdog is fed from the main loop, so a loop that hangs is noticed. */
  ready(): void {
    this.#send('READY=1');
    if (this.#watchdogMs > 0) this.#every(this.#watchdogMs / 3, 'WATCHDOG=1');
  }

  /** Stopping; the time for it is extended until {@link close}. */
  stopping(): void {
    const extend = `EXTEND_TIMEOUT_USEC=${EXTEND_BY_MS * 1000}`;
    this.#send(`STOPPING=1\n${extend}`);
    this.#every(EXTEND_EVERY_MS, this.#watchdogMs > 0 ? `${extend}\nWATCHDOG=1` : extend);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #every(ms: number, message: string): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#send(message), ms);
    this.#timer.unref();
  }

  #send(message: string): void {
    if (this.#address === undefined) return;
    try {
      this.#bridge.sendDatagram(this.#address, message);
    } catch {
      // A service manager that went away misses nothing.
    }
  }
}
