/** `make grafana`: writes the dashboards into the folder that is the argument. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DASHBOARDS, dashboardFile } from './all.ts';

const [, , folder = ''] = process.argv;
for (const dashboard of DASHBOARDS) {
  const { name, text } = dashboardFile(dashboard);
  writeFileSync(join(folder, name), text);
}
