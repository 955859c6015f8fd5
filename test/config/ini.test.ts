import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';

t.test('sections, pairs, comments, quotes, and where everything came from', async (t) => {
  const text = [
    'early = 1',
    '',
    '# a comment',
    '; another',
    '[general]',
    '  store = file:/backup  ',
    'quoted="  kept # as it is  "',
    'hash = a # b',
    'equals = a=b',
    'empty =',
    'lone = "',
    '[ performance ]',
    'dotted.key-1_x=2',
  ];
  for (const [name, newline] of [
    ['Unix', '\n'],
    ['Windows', '\r\n'],
  ] as const) {
    t.strictSame(
      parseIni(text.join(newline), '/etc/x.conf'),
      [
        { section: '', key: 'early', value: '1', origin: '/etc/x.conf:1' },
        { section: 'general', key: 'store', value: 'file:/backup', origin: '/etc/x.conf:6' },
        { section: 'general', key: 'quoted', value: '  kept # as it is  ', origin: '/etc/x.conf:7' },
        { section: 'general', key: 'hash', value: 'a # b', origin: '/etc/x.conf:8' },
        { section: 'general', key: 'equals', value: 'a=b', origin: '/etc/x.conf:9' },
        { section: 'general', key: 'empty', value: '', origin: '/etc/x.conf:10' },
        { section: 'general', key: 'lone', value: '"', origin: '/etc/x.conf:11' },
        { section: 'performance', key: 'dotted.key-1_x', value: '2', origin: '/etc/x.conf:13' },
      ],
      name,
    );
  }
});

t.test('a byte order mark, and nothing at all', async (t) => {
  t.strictSame(parseIni('\ufeff[a]\nb = c', 'f'), [{ section: 'a', key: 'b', value: 'c', origin: 'f:2' }]);
  t.strictSame(parseIni('', 'f'), []);
});

t.test('anything else is an error with its line', async (t) => {
  for (const line of ['[open', '[]', 'no equals sign', '= value', 'two words = value', 'käse = 1']) {
    t.throws(
      () => parseIni(`[a]\n\n${line}\n`, 'x.conf'),
      { code: 'VOST_CONFIG', failure: 'usage', message: 'x.conf:3: expected [section] or key = value' },
      line,
    );
  }
});
