import * as fc from 'fast-check';
import t from 'tap';
import { ADMIN, api, basic, cluster, expectStatus } from '../support.ts';

interface Page {
  readonly count: number;
  readonly next: string | null;
  readonly previous: string | null;
  readonly results: { readonly id: number; readonly name: string }[];
}

t.test('lists', async (t) => {
  const sim = await cluster(t);
  const names = Array.from({ length: 23 }, (_, i) => `tenant-${String(i).padStart(2, '0')}`);
  for (const name of names) await expectStatus(t, api(sim, 'POST', '/tenants/', { name }), 201);
  const all = (await api(sim, 'GET', '/tenants/')).body as Page['results'];

  t.test('a bare array unless pages are asked for; pages together are the array', async (t) => {
    t.equal(all.length, 25);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), async (size) => {
        const seen: number[] = [];
        let next: string | null = `${sim.vmsUrl}/api/v5/tenants/?page_size=${size}&name__icontains=`;
        while (next !== null) {
          const url = new URL(next);
          const reply = await api(sim, 'GET', url.pathname + url.search, undefined, { base: '' });
          const page = reply.body as Page;
          if (page.count !== 25 || page.results.length > size || url.origin !== sim.vmsUrl) return false;
          seen.push(...page.results.map(({ id }) => id));
          next = page.next;
        }
        return seen.join() === all.map(({ id }) => id).join();
      }),
      { numRuns: 10 },
    );
    const second = (await api(sim, 'GET', '/tenants/?page=2&page_size=10')).body as Page;
    t.equal(new URL(second.previous ?? '').searchParams.get('page'), '1');
    t.match(await api(sim, 'GET', '/tenants/?page=9&page_size=10'), { status: 404, body: { detail: 'Invalid page.' } });
    t.match(await api(sim, 'GET', '/tenants/?page=zero'), { status: 404 });
  });

  t.test('filters, order, fields', async (t) => {
    const query = async (text: string) =>
      ((await api(sim, 'GET', `/tenants/?${text}`)).body as Page['results']).map(({ name }) => name);
    t.same(await query('name=tenant-07'), ['tenant-07']);
    t.same(await query('name=TENANT-07'), []);
    t.same(await query('name__contains=nant-2'), ['tenant-20', 'tenant-21', 'tenant-22']);
    t.same(await query('name__icontains=NANT-2'), ['tenant-20', 'tenant-21', 'tenant-22']);
    t.same(await query('name__startswith=acm'), ['acme']);
    t.same(await query('name__endswith=-11'), ['tenant-11']);
    t.same(await query('name__in=acme,default,none'), ['default', 'acme']);
    t.same(await query('id__gte=24'), ['tenant-21', 'tenant-22']);
    t.same(await query('id__lte=1'), ['default']);
    t.equal((await query('no_such_field=1')).length, 25);
    t.equal((await query('ordering=-name'))[0], 'tenant-22');
    t.same((await api(sim, 'GET', '/tenants/?fields=id,name&name=acme')).body, [{ id: 2, name: 'acme' }]);
  });

  t.test('a view is found by its policy and by its tenant under every name the releases use', async (t) => {
    const view = { path: '/f', policy_id: 1, create_dir: true };
    await expectStatus(t, api(sim, 'POST', '/views/', view), 201);
    for (const filter of [
      'policy__name=default',
      'policy_id=1',
      'policy__id=1',
      'tenant_id=1',
      'tenant_name__icontains=DEF',
    ]) {
      t.match((await api(sim, 'GET', `/views/?${filter}`)).body, [{ path: '/f' }], filter);
    }
    for (const filter of ['policy__name=other', 'policy__id=2', 'tenant_id=2', 'path=/g']) {
      t.same((await api(sim, 'GET', `/views/?${filter}`)).body, [], filter);
    }
    t.notMatch((await api(sim, 'GET', '/views/')).text, /bucket_logging/);
    t.match((await api(sim, 'GET', '/views/1/')).text, /bucket_logging/);
  });

  t.test('paths: the slash is needed, versions are those of the release', async (t) => {
    t.match(await api(sim, 'GET', '/tenants'), { status: 404 });
    sim.faults.apply({ modes: { missingSlash: '301' } });
    t.match(await api(sim, 'GET', '/tenants?a=1'), { status: 301, headers: { location: '/api/v5/tenants/?a=1' } });
    t.match(await api(sim, 'POST', '/tenants', {}), { status: 404 });
    for (const base of ['/api', '/api/v1', '/api/v6', '/api/latest']) {
      t.match(await api(sim, 'GET', '/tenants/', undefined, { base }), { status: 200 }, base);
    }
    for (const base of ['/api/v7', '/api/v0', '/api/vx', '']) {
      t.match(await api(sim, 'GET', '/tenants/', undefined, { base }), { status: 404 }, base);
    }
    t.match(await api(sim, 'PUT', '/tenants/', {}), { status: 405 });
    t.match(await api(sim, 'POST', '/tenants/', '{"name"'), { status: 400, body: { detail: /JSON parse error/ } });
    t.match(await api(sim, 'POST', '/tenants/', '[]'), { status: 400 });
    const large = `{"name":"${'x'.repeat(1024 * 1024)}"}`;
    t.match(await api(sim, 'POST', '/tenants/', large, { headers: basic(ADMIN) }), { status: 413 });
  });
});
