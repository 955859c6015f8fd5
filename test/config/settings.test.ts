import t from 'tap';
import { type IniEntry, parseIni } from '../../src/config/ini.ts';
import { buildSettings, type Settings, settingsSchema } from '../../src/config/settings.ts';

const MIB = 1024 * 1024;

const entry = (section: string, key: string, value: string, origin = 'x.conf:3'): IniEntry => ({
  section,
  key,
  value,
  origin,
});

/** Every key: its default, good values with what they mean, and bad values. */
const table: Record<string, Record<string, { def: unknown; good: [string, unknown][]; bad: string[] }>> = {
  general: {
    store: { def: undefined, good: [['file:/backup', 'file:/backup']], bad: [''] },
    nfs_mount_point: { def: undefined, good: [['/mnt/vast', '/mnt/vast']], bad: [''] },
    s3_region: { def: 'us-east-1', good: [['eu-central-1', 'eu-central-1']], bad: [''] },
    s3_ca_file: { def: undefined, good: [['/etc/ca.pem', '/etc/ca.pem']], bad: [''] },
    chaos: { def: undefined, good: [['42,throttle=0.1', '42,throttle=0.1']], bad: [''] },
    stage_dir: { def: '/opt/vast-ost-stages', good: [['/srv/stages', '/srv/stages']], bad: ['', 'stages'] },
    read_stages: { def: undefined, good: [['none', []]], bad: ['', 'a:b'] },
    stages: {
      def: undefined,
      good: [
        ['none', []],
        ['vast-ost-stage-a', [{ spec: 'vast-ost-stage-a', options: {} }]],
        [
          '@acme/vast-ost-stage-a:level=3,key=file:/etc/k  /opt/b ./c:x=',
          [
            { spec: '@acme/vast-ost-stage-a', options: { level: '3', key: 'file:/etc/k' } },
            { spec: '/opt/b', options: {} },
            { spec: './c', options: { x: '' } },
          ],
        ],
      ],
      bad: ['', 'a:level', 'a:', 'a,b', '-a', 'a '.repeat(17)],
    },
    endpoints: { def: undefined, good: [['http://a,http://b', 'http://a,http://b']], bad: [''] },
    dns_name: { def: undefined, good: [['data.vast1.example.com', 'data.vast1.example.com']], bad: ['', 'a b', '-a'] },
    dns_servers: { def: undefined, good: [['10.0.0.53', '10.0.0.53']], bad: [''] },
    connections_per_vip: {
      def: 64,
      good: [
        ['1', 1],
        ['1024', 1024],
      ],
      bad: ['0', '1025', 'many'],
    },
  },
  performance: {
    parallel_streams: {
      def: 'auto',
      good: [
        ['auto', 'auto'],
        ['1', 1],
        ['64', 64],
      ],
      bad: ['0', '65', '', 'four', '1.5', '-1', '1e1', '0x4', 'NaN'],
    },
    chunk_size_mb: {
      def: 64 * MIB,
      good: [
        ['1', MIB],
        ['128', 128 * MIB],
      ],
      bad: ['0', '1025', '64M'],
    },
    part_size_mb: {
      def: 64 * MIB,
      good: [
        ['1', MIB],
        ['4096', 4096 * MIB],
      ],
      bad: ['0', '4097'],
    },
    memory_budget_mb: {
      def: 512 * MIB,
      good: [
        ['128', 128 * MIB],
        ['1048576', 2 ** 40],
      ],
      bad: ['63', '1048577'],
    },
    read_ahead: {
      def: 'auto',
      good: [
        ['auto', 'auto'],
        ['1', 1],
        ['64', 64],
      ],
      bad: ['0', '65'],
    },
    reorder_window_mb: {
      def: 128 * MIB,
      good: [
        ['0', 0],
        ['256', 256 * MIB],
      ],
      bad: ['-1', '65537'],
    },
    compression: {
      def: 'none',
      good: [
        ['lz4', 'lz4'],
        ['none', 'none'],
        ['auto', 'auto'],
      ],
      bad: ['zstd', 'LZ4', ''],
    },
    use_direct_io: {
      def: true,
      good: [
        ['true', true],
        ['yes', true],
        ['1', true],
        ['false', false],
        ['no', false],
        ['0', false],
      ],
      bad: ['', 'on', 'TRUE'],
    },
    retry_count: {
      def: 10,
      good: [
        ['0', 0],
        ['1000', 1000],
      ],
      bad: ['', '1001'],
    },
    retry_seconds: {
      def: 300,
      good: [
        ['0', 0],
        ['86400', 86_400],
      ],
      bad: ['86401', '5m'],
    },
    wire_integrity: {
      def: 'auto',
      good: [
        ['auto', 'auto'],
        ['sha256', 'sha256'],
        ['md5', 'md5'],
        ['none', 'none'],
      ],
      bad: ['crc32'],
    },
  },
  logging: {
    log_level: {
      def: 'info',
      good: ['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map((level): [string, string] => [level, level]),
      bad: ['silent', ''],
    },
    log_file: { def: undefined, good: [['/var/log/x', '/var/log/x']], bad: [''] },
  },
};

const settingOf = (settings: Settings, section: string, key: string): unknown =>
  (settings as unknown as Record<string, Record<string, unknown>>)[section]?.[key];

t.test('the table names every key', async (t) => {
  const names = (sections: object): string[][] =>
    Object.entries(sections).map(([section, keys]) => [section, ...Object.keys(keys as object)]);
  t.strictSame(names(table), names(settingsSchema));
});

t.test('defaults, good and bad values of every key', async (t) => {
  for (const [section, keys] of Object.entries(table)) {
    for (const [key, { def, good, bad }] of Object.entries(keys)) {
      t.equal(settingOf(buildSettings([]), section, key), def, key);
      for (const [text, value] of good)
        t.strictSame(settingOf(buildSettings([entry(section, key, text)]), section, key), value, `${key} = ${text}`);
      for (const text of bad) {
        t.throws(
          () => buildSettings([entry(section, key, text)]),
          {
            code: 'VOST_CONFIG',
            failure: 'usage',
            message: new RegExp(`^x\\.conf:3: ${key} = ${text.replaceAll('.', '\\.')}: .`),
          },
          `${key} = ${text}`,
        );
      }
    }
  }
});

t.test('later entries override earlier ones, as the command line does the file', async (t) => {
  const file = parseIni('[performance]\nread_ahead = 2\nread_ahead = 3\n', 'x.conf');
  t.equal(buildSettings(file).performance.read_ahead, 3);
  const option = entry('performance', 'read_ahead', '9', '--read-ahead');
  t.equal(buildSettings([...file, option]).performance.read_ahead, 9);
  t.equal(
    buildSettings([entry('performance', 'read_ahead', 'bad'), option]).performance.read_ahead,
    9,
    'what is overridden is not looked at',
  );
  t.throws(() => buildSettings([...file, { ...option, value: '0' }]), { message: /^--read-ahead: read_ahead = 0: / });
});

t.test('unknown sections and keys, with file and line, and what there is', async (t) => {
  t.throws(() => buildSettings(parseIni('\n[generel]\nstore = x\n', '/etc/x.conf')), {
    code: 'VOST_CONFIG',
    failure: 'usage',
    message: '/etc/x.conf:3: there is no section [generel]',
    advice: /general, performance, logging/,
  });
  t.throws(() => buildSettings(parseIni('[general]\nstor = x\n', 'x.conf')), {
    message: 'x.conf:2: [general] has no key stor',
    advice: /store, nfs_mount_point/,
  });
  t.throws(() => buildSettings(parseIni('store = x\n', 'x.conf')), { message: 'x.conf:1: there is no section []' });
  for (const name of ['constructor', '__proto__', 'toString']) {
    t.throws(() => buildSettings([entry(name, 'store', 'x')]), { message: /there is no section/ }, name);
    t.throws(() => buildSettings([entry('general', name, 'x')]), { message: /has no key/ }, name);
  }
});

t.test('memory too small for the chunks', async (t) => {
  const build = (budget: number, chunk: number, compression = 'none') =>
    buildSettings([
      entry('performance', 'memory_budget_mb', String(budget)),
      entry('performance', 'chunk_size_mb', String(chunk)),
      entry('performance', 'compression', compression),
    ]).performance;
  t.throws(() => build(127, 64), {
    code: 'VOST_CONFIG',
    failure: 'usage',
    message: 'a memory budget of 127 MiB is too small for chunks of 64 MiB',
    advice: /at least 128 MiB/,
  });
  t.equal(build(128, 64).memory_budget_mb, 128 * MIB);
  for (const compression of ['lz4', 'auto']) {
    t.throws(() => build(255, 64, compression), { code: 'VOST_CONFIG', advice: /at least/ });
    t.equal(build(320, 64, compression).memory_budget_mb, 320 * MIB);
  }
  t.throws(() => build(512, 1024), { code: 'VOST_CONFIG' });
});

t.test('the reorder window fits three quarters of the memory', async (t) => {
  const build = (budget: number, chunk: number, window?: number) =>
    buildSettings([
      entry('performance', 'memory_budget_mb', String(budget)),
      entry('performance', 'chunk_size_mb', String(chunk)),
      ...(window === undefined ? [] : [entry('performance', 'reorder_window_mb', String(window), 'x.conf:9')]),
    ]).performance.reorder_window_mb / MIB;
  t.strictSame(
    [build(512, 64), build(256, 64), build(192, 64), build(128, 64)],
    [128, 128, 64, 0],
    'the default shrinks',
  );
  t.equal(build(64, 1), 47);
  t.equal(build(1024, 64, 704), 704);
  t.throws(() => build(1024, 64, 705), {
    code: 'VOST_CONFIG',
    message: 'x.conf:9: a memory budget of 1024 MiB cannot hold a reorder window of 705 MiB',
    advice: /704 MiB at most/,
  });
});
