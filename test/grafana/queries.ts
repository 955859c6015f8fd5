import type { DashboardOptions } from '../../grafana/dashboard.ts';

export interface Expression {
  readonly expr: string;
  /** Dashboard, panel and place in it. */
  readonly where: string;
}

/** An expression with nothing chosen, and this window for rates. */
export function expanded(expr: string, window = '5m'): string {
  return expr.replaceAll('$__rate_interval', window).replaceAll(/\$(instance|server|lsu)\b/g, '.*');
}

/** All queries of dashboards, as Grafana would ask them with nothing chosen. */
export function expressionsOf(dashboards: readonly DashboardOptions[], window?: string): Expression[] {
  return dashboards.flatMap(({ id, rows }) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap(({ options: { title, queries } }) =>
        queries.map(({ expr }, at) => ({ expr: expanded(expr, window), where: `${id}: ${title} ${at + 1}` })),
      ),
    ),
  );
}
