import t from 'tap';
import { checkChurn } from './checks.ts';

// `make soak-plugin` is the long one.
t.test('1,600 rounds of handles, 32 streams of 8 processes', async (t) => {
  await checkChurn(t, 'handles', { rounds: 1_600, processes: 8, streams: 4 });
});

t.test('scattered reads of old images while new ones are written', async (t) => {
  await checkChurn(t, 'mixed', { rounds: 800, processes: 2, streams: 2 });
});
