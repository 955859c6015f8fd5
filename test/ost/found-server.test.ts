import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { tempDir } from '../support/temp-dir.ts';

// Ports 443 and 80, and names that resolve, belong to the machine: so all of it happens in a network of its own, with its own
// /etc/hosts. An ordinary user may have that, too.
const FLOW = fileURLToPath(new URL('./support/found-flow.ts', import.meta.url));
const HOSTS = `
127.0.0.1 localhost
127.20.0.1 vms.data.vast-sim.test
127.20.0.2 alt.data.vast-sim.test
10.97.0.9 two.data.vast-sim.test
127.20.0.1 two.data.vast-sim.test
127.20.0.1 three.data.vast-sim.test
127.20.0.7 closed.data.vast-sim.test
`;
/** The address that swallows everything comes first. */
const ORDER = 'precedence ::ffff:10.97.0.0/112 100\nprecedence ::ffff:0:0/96 10\n';
const NAMESPACE = ['--map-root-user', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** The last address of a link to nobody: what is sent to it is lost. */
const NETWORK = `
ip link set lo up &&
ip link add vost0 type veth peer name vost1 &&
ip addr add 10.97.0.1/24 dev vost0 &&
ip link set vost1 up &&
ip link set vost0 up &&
mount --bind "$0/hosts" /etc/hosts &&
{ [ ! -e /etc/gai.conf ] || mount --bind "$0/gai.conf" /etc/gai.conf; }`;

const dir = tempDir({ hosts: HOSTS, 'gai.conf': ORDER });
const possible = spawnSync('unshare', [...NAMESPACE, 'sh', '-c', NETWORK, dir], { encoding: 'utf8' });
const obstacle = possible.error?.message ?? possible.stderr.trim();
const skip = possible.status === 0 ? false : `no network namespace of our own: ${obstacle || possible.status}`;

t.test('a storage server known by name, user and password alone', { skip }, async (t) => {
  const command = [...NAMESPACE, 'sh', '-c', `${NETWORK} && exec "$@"`, dir, process.execPath, FLOW];
  await t.spawn('unshare', command, 'in a network of its own');
});
