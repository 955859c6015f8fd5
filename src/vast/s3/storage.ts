import { CreateBucketCommand, HeadBucketCommand, ListBucketsCommand } from '@aws-sdk/client-s3';
import { failureOf } from '../../errors.ts';
import { checkSignal } from '../body.ts';
import type { FlowControl } from '../flow/flow-control.ts';
import { checkLsu, isBucketLsu } from '../names.ts';
import { Retrier } from '../retry.ts';
import type { ObjectStore, RequestOptions, Storage } from '../store.ts';
import { lsuExists, noSuchLsu } from '../store-errors.ts';
import type { TransferMeter } from '../transfer-meter.ts';
import type { VipPoolSnapshot } from '../vip-pool/vip-pool.ts';
import { connectS3, type S3Connection } from './client.ts';
import { sendHead } from './head.ts';
import { bridgeDigests, type Digests } from './integrity.ts';
import { type S3Options, settingsOf } from './options.ts';
import { S3Sender } from './send.ts';
import { S3Store } from './store.ts';

export type { S3ConnectionOptions, S3Options } from './options.ts';

/** An S3 service whose buckets are LSUs. */
export class S3Storage implements Storage {
  readonly name: string;
  readonly flow: FlowControl | undefined;
  readonly transfers: TransferMeter;
  readonly #connection: S3Connection;
  readonly #sender: S3Sender;
  readonly #digests: Digests;
  readonly #closed = new AbortController();

  /** @throws EngineError VOST_CA_FILE (`usage`) */
  constructor(endpoint: URL, options: S3Options = {}) {
    const settings = settingsOf(endpoint, options);
    this.transfers = settings.transfers;
    this.name = `s3:${endpoint.origin}`;
    this.#digests = options.digests ?? bridgeDigests;
    this.#connection = connectS3(settings, options);
    const { policy, clock, onRetry, onAttempt, flow } = options;
    this.flow = flow;
    flow?.spread(() => this.#connection.vips.uneven);
    this.#sender = new S3Sender({
      name: this.name,
      connection: this.#connection,
      retrier: new Retrier({
        service: 's3',
        policy,
        clock,
        onRetry,
        onAttempt,
        flow,
        refresh: () => this.#connection.refresh(),
      }),
      settings,
      closed: this.#closed.signal,
    });
  }

  async lsus(options: RequestOptions = {}): Promise<string[]> {
    const task = { operation: 'list LSUs', signal: options.signal };
    const { Buckets = [] } = await this.#sender.send(task, (client, http) =>
      client.send(new ListBucketsCommand({}), http),
    );
    return Buckets.map((bucket) => bucket.Name ?? '')
      .filter(isBucketLsu)
      .sort();
  }

  /** AWS and RadosGW answer 200 to the owner of a bucket that exists, so we look first. */
  async createLsu(lsu: string, options: RequestOptions = {}): Promise<void> {
    checkLsu(lsu, isBucketLsu);
    checkSignal(options.signal);
    if (await this.#exists(lsu, options)) throw lsuExists(lsu);
    const task = { operation: 'create LSU', lsu, signal: options.signal };
    let attempts = 0;
    try {
      await this.#sender.send(task, (client, http, number) => {
        attempts = number;
        return client.send(new CreateBucketCommand({ Bucket: lsu }), http);
      });
    } catch (error) {
      if (failureOf(error) !== 'exists') throw error;
      // An earlier attempt of ours whose answer was lost made it.
      if (attempts === 1 || !(await this.#exists(lsu, options))) throw lsuExists(lsu, error);
    }
  }

  async #exists(lsu: string, options: RequestOptions): Promise<boolean> {
    try {
      const task = { operation: 'look for LSU', lsu, signal: options.signal };
      await sendHead(this.#sender, task, (client, http) => client.send(new HeadBucketCommand({ Bucket: lsu }), http));
      return true;
    } catch (error) {
      if (failureOf(error) === 'not-found') return false;
      throw error;
    }
  }

  async open(lsu: string, options: RequestOptions = {}): Promise<ObjectStore> {
    checkLsu(lsu, isBucketLsu);
    if (!(await this.#exists(lsu, options))) throw noSuchLsu(lsu);
    return new S3Store(this.#sender, this.#digests, lsu);
  }

  /** How the data VIPs are doing now. */
  vips(): VipPoolSnapshot {
    return this.#connection.vips.snapshot();
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    await this.#connection.close();
  }
}
