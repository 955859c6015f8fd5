import { defineStage } from 'vast-ost/stage';

/** Images of the policy “archive” go into a bucket of their own. */
export default defineStage({
  kind: 'router',
  name: 'STAGE_NAME',
  version: '1.0.0',
  apiVersion: 1,
  route: ({ policy, lsu }) => (policy === 'archive' ? { lsu: `${lsu}-archive` } : undefined),
});
