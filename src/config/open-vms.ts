import { EngineError } from '../errors.ts';
import type { RequestHooks } from '../vast/retry.ts';
import { VmsClient } from '../vast/vms/client.ts';
import type { ServerSettings } from './settings.ts';
import { readVmsLogin } from './vms-credentials-file.ts';

/**
 * The management client of a storage server. Contacts nothing yet.
 * @throws EngineError VOST_NO_VMS (`usage`) when the section names no VMS
 */
export function openVms(
  name: string,
  server: Pick<ServerSettings, 'vms' | 'vms_ca_file' | 'vms_credentials_file' | 'tenant'>,
  hooks: RequestHooks = {},
): VmsClient {
  const { vms, vms_ca_file: caFile, vms_credentials_file: file, tenant } = server;
  if (vms === undefined || file === undefined) {
    throw new EngineError('VOST_NO_VMS', 'usage', `[server ${name}] names no management address`, {
      advice: 'set vms = https://HOST and vms_credentials_file = FILE there',
    });
  }
  const credentials = async () => (await readVmsLogin(file)).credentials;
  return new VmsClient({ origin: new URL(vms), caFile, credentials, tenant, ...hooks });
}
