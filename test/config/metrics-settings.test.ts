import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { refusal } from '../support/refusal.ts';

const build = (lines: string) => buildSettings(parseIni(`[metrics]\n${lines}`, 'x.conf')).metrics;
const TLS = 'tls_cert_file = /c.pem\ntls_key_file = /k.pem\n';

t.test('metrics are for this machine unless somebody says otherwise', async (t) => {
  t.strictSame(build('').listen, { host: '127.0.0.1', port: 9180 });
  t.strictSame(build('listen = [::1]:9181').listen, { host: '::1', port: 9181 });
  t.strictSame(build('listen = localhost:9182').listen, { host: 'localhost', port: 9182 });
  t.equal(build('listen = off').listen, undefined);
  for (const bad of [
    '9180',
    '127.0.0.1',
    '127.0.0.1:99999',
    '1.2.3:80',
    'example.com:80',
    '::1:80',
    '[::1]',
    'on',
    '[1.2.3.4]:1x',
  ])
    t.throws(
      () => build(`listen = ${bad}`),
      refusal('usage', { code: 'VOST_CONFIG', message: /x\.conf:2.*ADDRESS:PORT/ }),
    );
});

t.test('other machines need TLS and a password', async (t) => {
  for (const host of ['0.0.0.0', '10.1.2.3', '[::]', '[fd00::1]', '128.0.0.1', '[::ffff:a00:1]']) {
    for (const more of ['', TLS, 'password_file = /p'])
      t.throws(
        () => build(`listen = ${host}:9180\n${more}`),
        refusal('usage', { message: /TLS and a password/ }),
        host,
      );
    t.ok(build(`listen = ${host}:9180\n${TLS}password_file = /p`).listen, host);
  }
  t.throws(() => build('tls_cert_file = /c.pem'), refusal('usage', { message: /belong together/ }));
  t.throws(() => build('tls_key_file = /k.pem'), refusal('usage', { message: /belong together/ }));
  t.ok(build('listen = 127.1.2.3:80\npassword_file = /p').listen);
});
