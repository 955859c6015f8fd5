import { receiveXml } from '../body/receive.ts';
import type { Call, Reply } from '../call.ts';
import { s3Error } from '../s3-error.ts';
import type { Bucket } from '../state/bucket.ts';
import {
  checkRetentionChange,
  type DefaultRetention,
  defaultLock,
  type LockMode,
  type LockQuestion,
  type ObjectLock,
  type Retention,
} from '../state/locks.ts';
import type { StoredObject } from '../state/records.ts';
import { childText, type XmlElement } from '../xml/xml-parser.ts';
import { type XmlChildren, xmlDocument } from '../xml/xml-writer.ts';
import { requestedObject } from './requested-version.ts';

const MODE = 'x-amz-object-lock-mode';
const UNTIL = 'x-amz-object-lock-retain-until-date';
const HOLD = 'x-amz-object-lock-legal-hold';
/** Longest default retention (Amazon S3 user guide): 100 years. */
const MAX_DAYS = 36_500;
const MAX_YEARS = 100;

export function lockQuestion(call: Call): LockQuestion {
  return { now: call.now, bypass: call.header('x-amz-bypass-governance-retention')?.toLowerCase() === 'true' };
}

/** The lock that the headers of a request ask for; undefined when they ask for none. */
export function requestedLock(call: Call, bucket: Bucket): ObjectLock | undefined {
  const [mode, until, hold] = [MODE, UNTIL, HOLD].map((name) => call.header(name));
  if (mode === undefined && until === undefined && hold === undefined) return undefined;
  if (!bucket.protection.objectLock) throw missingConfiguration();
  if ((mode === undefined) !== (until === undefined)) {
    throw s3Error('InvalidArgument', `${MODE} and ${UNTIL} must both be supplied`);
  }
  const retention = mode === undefined ? undefined : { mode: modeOf(mode), until: timeOf(until) };
  checkRetentionChange(undefined, retention, lockQuestion(call));
  return { ...(retention ? { retention } : {}), ...(hold === undefined ? {} : { legalHold: holdOf(hold) }) };
}

/** The lock of an object that comes to be now: what it asked for, else what the bucket gives. */
export function lockOfNew(call: Call, bucket: Bucket, asked: ObjectLock | undefined): Pick<StoredObject, 'lock'> {
  const lock = { ...defaultLock(bucket.protection, call.now), ...asked };
  return Object.keys(lock).length === 0 ? {} : { lock };
}

/** What GET and HEAD say about it. */
export function lockHeaders({ lock }: StoredObject): Record<string, string> {
  const { retention, legalHold } = lock ?? {};
  return {
    ...(retention ? { [MODE]: retention.mode, [UNTIL]: new Date(retention.until).toISOString() } : {}),
    ...(legalHold === undefined ? {} : { [HOLD]: legalHold ? 'ON' : 'OFF' }),
  };
}

export async function getObjectLockConfiguration(call: Call): Promise<Reply> {
  const { objectLock, defaultRetention: rule } = call.state.bucket(call.bucket).protection;
  if (!objectLock) throw s3Error('ObjectLockConfigurationNotFoundError');
  const fields: XmlChildren =
    rule === undefined
      ? []
      : [
          [
            'Rule',
            [
              [
                'DefaultRetention',
                [
                  ['Mode', rule.mode],
                  [rule.unit, rule.count],
                ],
              ],
            ],
          ],
        ];
  return { status: 200, xml: xmlDocument('ObjectLockConfiguration', [['ObjectLockEnabled', 'Enabled'], ...fields]) };
}

export async function putObjectLockConfiguration(call: Call): Promise<Reply> {
  const bucket = call.state.bucket(call.bucket);
  const root = await receiveXml(call);
  if (root?.name !== 'ObjectLockConfiguration') throw s3Error('MalformedXML');
  if (childText(root, 'ObjectLockEnabled') !== 'Enabled') throw s3Error('MalformedXML');
  if (!bucket.protection.versioning) {
    throw s3Error(
      'InvalidBucketState',
      "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    );
  }
  const defaultRetention = defaultOf(root);
  bucket.protect({ versioning: true, objectLock: true, ...(defaultRetention ? { defaultRetention } : {}) });
  return { status: 200 };
}

function defaultOf(root: XmlElement): DefaultRetention | undefined {
  const rule = root.children.find(({ name }) => name === 'Rule');
  const retention = rule?.children.find(({ name }) => name === 'DefaultRetention');
  if (rule === undefined) return undefined;
  if (retention === undefined) throw s3Error('MalformedXML');
  const [days, years] = [childText(retention, 'Days'), childText(retention, 'Years')];
  if ((days === undefined) === (years === undefined)) throw s3Error('MalformedXML');
  const count = Number(days ?? years);
  if (!(Number.isInteger(count) && count >= 1 && count <= (days === undefined ? MAX_YEARS : MAX_DAYS))) {
    throw s3Error('InvalidArgument', 'Default retention period must be a positive integer value');
  }
  return { mode: modeOf(childText(retention, 'Mode')), unit: days === undefined ? 'Years' : 'Days', count };
}

export async function getObjectRetention(call: Call): Promise<Reply> {
  const { retention } = lockable(call).object.lock ?? {};
  if (retention === undefined) throw s3Error('NoSuchObjectLockConfiguration');
  const fields: XmlChildren = [
    ['Mode', retention.mode],
    ['RetainUntilDate', new Date(retention.until).toISOString()],
  ];
  return { status: 200, xml: xmlDocument('Retention', fields) };
}

export async function putObjectRetention(call: Call): Promise<Reply> {
  lockable(call);
  const root = await receiveXml(call);
  if (root?.name !== 'Retention') throw s3Error('MalformedXML');
  const [mode, until] = [childText(root, 'Mode'), childText(root, 'RetainUntilDate')];
  if ((mode === undefined) !== (until === undefined)) throw s3Error('MalformedXML');
  const retention: Retention | undefined =
    mode === undefined ? undefined : { mode: modeOf(mode), until: timeOf(until) };
  // Looked up again: the body took its time.
  const { bucket, object } = lockable(call);
  checkRetentionChange(object.lock?.retention, retention, lockQuestion(call));
  bucket.revise({ ...object, lock: { ...object.lock, retention } });
  return { status: 200 };
}

export async function getObjectLegalHold(call: Call): Promise<Reply> {
  const { legalHold } = lockable(call).object.lock ?? {};
  if (legalHold === undefined) throw s3Error('NoSuchObjectLockConfiguration');
  return { status: 200, xml: xmlDocument('LegalHold', [['Status', legalHold ? 'ON' : 'OFF']]) };
}

export async function putObjectLegalHold(call: Call): Promise<Reply> {
  lockable(call);
  const root = await receiveXml(call);
  if (root?.name !== 'LegalHold') throw s3Error('MalformedXML');
  const legalHold = holdOf(childText(root, 'Status'));
  const { bucket, object } = lockable(call);
  bucket.revise({ ...object, lock: { ...object.lock, legalHold } });
  return { status: 200 };
}

/** The version that the request means, in a bucket that has locks. */
function lockable(call: Call): { bucket: Bucket; object: StoredObject } {
  const bucket = call.state.bucket(call.bucket);
  if (!bucket.protection.objectLock) throw missingConfiguration();
  return { bucket, object: requestedObject(call, bucket) };
}

function missingConfiguration() {
  return s3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
}

function modeOf(text: string | undefined): LockMode {
  if (text !== 'GOVERNANCE' && text !== 'COMPLIANCE') throw s3Error('InvalidArgument', 'Unknown wormMode directive.');
  return text;
}

function timeOf(text = ''): number {
  const time = /^\d{4}-\d{2}-\d{2}T[0-9:.]{8,20}(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw s3Error('InvalidArgument', 'The retain until date must be provided in ISO 8601 format');
  return time;
}

function holdOf(text: string | undefined): boolean {
  if (text !== 'ON' && text !== 'OFF') throw s3Error('InvalidArgument', 'Legal Hold must be either of ON or OFF');
  return text === 'ON';
}
