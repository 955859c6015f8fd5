import type { Route } from './context.ts';
import { CLUSTER_ROUTES } from './resources/clusters.ts';
import { EVENT_ROUTES } from './resources/events.ts';
import { FOLDER_ROUTES } from './resources/folders.ts';
import { METRIC_ROUTES } from './resources/metrics.ts';
import { PROTECTION_ROUTES } from './resources/protection.ts';
import { QUOTA_ROUTES } from './resources/quotas.ts';
import { S3_RULE_ROUTES } from './resources/s3-rules.ts';
import { SESSION_ROUTES } from './resources/sessions.ts';
import { SNAPSHOT_ROUTES } from './resources/snapshots.ts';
import { TENANT_ROUTES } from './resources/tenants.ts';
import { USER_ROUTES } from './resources/users.ts';
import { VIEW_POLICY_ROUTES } from './resources/view-policies.ts';
import { VIEW_ROUTES } from './resources/views.ts';
import { VIP_POOL_ROUTES } from './resources/vip-pools.ts';
import { TASK_ROUTES } from './tasks.ts';

/** Everything that VMS serves, for the newest release; older ones lack what says `since`. */
export const ROUTES: readonly Route[] = [
  ...SESSION_ROUTES,
  ...CLUSTER_ROUTES,
  ...TENANT_ROUTES,
  ...VIEW_ROUTES,
  ...VIEW_POLICY_ROUTES,
  ...USER_ROUTES,
  ...S3_RULE_ROUTES,
  ...QUOTA_ROUTES,
  ...VIP_POOL_ROUTES,
  ...SNAPSHOT_ROUTES,
  ...PROTECTION_ROUTES,
  ...FOLDER_ROUTES,
  ...EVENT_ROUTES,
  ...METRIC_ROUTES,
  ...TASK_ROUTES,
];
