import fc from 'fast-check';
import t from 'tap';
import { childText, parseXml } from '../../../src/sim/s3/xml/xml-parser.ts';
import { xmlDocument } from '../../../src/sim/s3/xml/xml-writer.ts';

t.test('what the writer writes, the parser reads back', async () => {
  const text = fc.string({ unit: 'binary' }).map((s) => s.toWellFormed());
  fc.assert(
    fc.property(text, text, (a, b) => {
      const root = parseXml(
        xmlDocument('Root', [
          ['A', a],
          ['List', [['B', b]]],
        ]),
      );
      const list = root.children[1];
      return root.name === 'Root' && childText(root, 'A') === a && list !== undefined && childText(list, 'B') === b;
    }),
  );
});

t.test('documents as clients write them', async (t) => {
  const root = parseXml(
    '\uFEFF<?xml version="1.0" encoding="UTF-8"?>\r\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\r\n <Quiet >true</Quiet><Object><Key>a&amp;b&#x41;&#66; \r\n</Key><E/></Object></Delete>\n',
  );
  t.equal(root.name, 'Delete');
  t.equal(childText(root, 'Quiet'), 'true');
  t.equal(childText(root, 'Missing'), undefined);
  const object = root.children[1];
  t.equal(object && childText(object, 'Key'), 'a&bAB \n', 'white space is kept');
});

t.test('everything else is MalformedXML', async (t) => {
  const wrong = [
    '',
    'text',
    '<A>',
    '<A></B>',
    '<A/><B/>',
    '</A>',
    '<A>&unknown;</A>',
    '<A>& </A>',
    '<A>&#xD800;</A>',
    '<A>&#x110000;</A>',
    '<!DOCTYPE A [<!ENTITY x "y">]><A>&x;</A>',
    '<A><![CDATA[x]]></A>',
    '<A b=c></A>',
    '<A></A b="c">',
    '<A>x</A>tail',
    '<a>'.repeat(9) + '</a>'.repeat(9),
    `<A>${'<B/>'.repeat(120_001)}</A>`,
  ];
  for (const document of wrong) t.throws(() => parseXml(document), { code: 'MalformedXML' }, document.slice(0, 40));
  const twice = parseXml('<A><B>1</B><B>2</B></A>');
  t.throws(() => childText(twice, 'B'), { code: 'MalformedXML' }, 'one child expected');
});
