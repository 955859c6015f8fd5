import type { PlainRow } from '../../cluster/records.ts';
import type { Route } from '../context.ts';
import { answerList } from '../listing.ts';
import { type Resource, resourceRoutes } from '../resource.ts';

/** Only whether somebody has seen them can be changed. */
const ALARMS: Resource<PlainRow> = {
  name: 'alarms',
  verbs: ['list', 'read', 'change'],
  rows: (state) => state.alarms,
  fields: { acknowledged: { kind: 'bool', initial: false } },
};

export const EVENT_ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/events/',
    run: (context) =>
      answerList(
        context,
        context.state.events.all().map((event) => ({ ...event, metadata: {} })),
      ),
  },
  ...resourceRoutes(ALARMS),
];
