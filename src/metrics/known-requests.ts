import type { RequestService } from '../ost/request-observer.ts';

interface Known {
  /** What the engine asks of such a service, as metrics name it. */
  readonly operations: readonly string[];
  /** Codes of the failures after which it asks again. */
  readonly reasons: readonly string[];
}

/**
 * What can be foreseen of requests. All of it is told as 0 from the beginning, because a counter that appears as 1 has no increase; what is
 * missing here is told from its first time on.
 */
export const KNOWN_REQUESTS: Readonly<Record<RequestService, Known>> = {
  s3: {
    operations: [
      'abort upload',
      'ask for the time',
      'complete',
      'copy',
      'copy part',
      'create LSU',
      'create upload',
      'delete',
      'delete version',
      'head',
      'list',
      'list LSUs',
      'list parts',
      'list uploads',
      'list versions',
      'lock',
      'look for LSU',
      'look for locks',
      'look for versions',
      'part',
      'put',
      'read',
      'read legal hold',
      'read lock',
      'read the policy',
    ],
    reasons: [
      'VOST_STORE_UNAVAILABLE',
      'VOST_BODY_DAMAGED',
      'VOST_CREDENTIALS',
      'VOST_NO_DESCRIPTORS',
      'VOST_NO_VIPS',
      'VOST_TLS_TRUST',
    ],
  },
  file: {
    operations: [
      'abort',
      'ask for the time',
      'copy',
      'create LSU',
      'create upload',
      'delete',
      'head',
      'list',
      'list LSUs',
      'list snapshots',
      'listParts',
      'open LSU',
      'open a snapshot',
      'part',
      'put',
      'read',
      'remove',
    ],
    reasons: [
      'VOST_STORE_UNAVAILABLE',
      'VOST_BODY_DAMAGED',
      'VOST_NO_DESCRIPTORS',
      'VOST_NOT_MOUNTED',
      'VOST_TEMPORARY_GONE',
    ],
  },
  vms: {
    operations: ['alarms', 'capacity', 'clusters', 'events', 'quotas', 'snapshots', 'tenants']
      .concat(['users', 'versions', 'viewpolicies', 'views', 'vippools', 'vips', 'apitokens'])
      .map((resource) => `GET ${resource}`),
    reasons: ['VOST_VMS_UNAVAILABLE', 'VOST_VMS_CREDENTIALS', 'VOST_NO_DESCRIPTORS'],
  },
};
