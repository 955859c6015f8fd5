import { type DashboardOptions, dashboardJson } from './dashboard.ts';
import { images } from './images.ts';
import { overview } from './overview.ts';
import { pipeline } from './pipeline.ts';
import { reliability } from './reliability.ts';
import { storage } from './storage.ts';

/** All dashboards, in the order in which they are read. */
export const DASHBOARDS: readonly DashboardOptions[] = [overview, pipeline, images, storage, reliability];

/** A dashboard's file, as it is kept. */
export function dashboardFile(dashboard: DashboardOptions): { readonly name: string; readonly text: string } {
  return { name: `${dashboard.id}.json`, text: `${JSON.stringify(dashboardJson(dashboard), undefined, 2)}\n` };
}
