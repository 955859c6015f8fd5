import type { Manager } from '../../cluster/records.ts';
import { isSince } from '../../cluster/release.ts';
import type { VmsServices } from '../context.ts';
import { detailError, forbidden } from '../vms-error.ts';

/**
 * The tenant that a request is confined to. Releases before 5.3 refuse the header: that clients
 * must not send it there is known, what happens when they do is our choice.
 */
export function requestTenant(services: VmsServices, manager: Manager, header: string | undefined): number | undefined {
  if (header === undefined) return manager.tenant_id ?? undefined;
  if (!isSince(services.release, '5.3')) throw detailError(400, 'Unsupported header X-Tenant-Name.');
  const tenant = services.state.tenants.find(({ name }) => name === header);
  if (tenant === undefined) throw forbidden('Unknown tenant.');
  if (manager.tenant_id !== null && manager.tenant_id !== tenant.id) throw forbidden();
  return tenant.id;
}
