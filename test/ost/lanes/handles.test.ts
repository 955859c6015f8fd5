import { pino } from 'pino';
import { Lanes } from '../../../src/ost/lanes/lanes.ts';
import { handleSuite } from '../support/handle-suite.ts';

const log = pino({ level: 'silent' });

handleSuite(({ settings, resources }) => Lanes.open({ settings, count: 2, budget: resources.budget, log }));
