import t from 'tap';
import { api, cluster, expectStatus, provision } from '../support.ts';

t.test('errors come in every shape that was seen in the field', async (t) => {
  const sim = await cluster(t);
  await provision(t, sim, 'bucket-a');
  const view = { path: '/x', policy_id: 1, create_dir: true };
  const s3View = { ...view, protocols: ['S3'], bucket: 'x-bucket', bucket_owner: 'u-bucket-a' };
  const cases: [path: string, body: object, status: number, answer: unknown][] = [
    ['/views/', {}, 400, { path: ['This field is required.'], policy_id: ['This field is required.'] }],
    ['/views/', { ...view, policy_id: 99 }, 400, { policy_id: ['Invalid pk "99" - object does not exist.'] }],
    ['/views/', { ...view, path: 'x' }, 400, { path: [String] }],
    ['/views/', { ...view, path: '/x/' }, 400, { path: [String] }],
    ['/views/', { ...view, path: '/x/../y' }, 400, { path: [String] }],
    ['/views/', { ...view, create_dir: 'yes' }, 400, { create_dir: ['Must be a valid boolean.'] }],
    ['/views/', { ...view, policy_id: '1' }, 400, { policy_id: ['A valid integer is required.'] }],
    ['/views/', { ...view, protocols: ['FTP'] }, 400, { protocols: ['"FTP" is not a valid choice.'] }],
    ['/views/', { ...view, create_dir: false }, 400, ['no such directory']],
    ['/views/', { ...s3View, bucket: '' }, 400, { bucket: [String] }],
    ['/views/', { ...s3View, bucket: 'Bad_Name' }, 400, { bucket: [String] }],
    ['/views/', { ...s3View, bucket: 'bucket-a' }, 400, ['Bucket bucket-a already exists']],
    ['/views/', { ...s3View, bucket_owner: 'nobody' }, 400, { bucket_owner: [String] }],
    ['/views/', { ...s3View, locking: true }, 400, { s3_versioning: [String] }],
    ['/views/', { ...s3View, s3_versioning: true }, 400, { locking: [String] }],
    ['/users/', { name: 'u-bucket-a' }, 400, 'User u-bucket-a already exists'],
    ['/tenants/', { name: 'acme' }, 400, { name: [String] }],
    ['/quotas/', { name: 'q', path: '/none' }, 400, { detail: 'no such directory' }],
    ['/filesystem/clone/', {}, 400, ['__root__->source_path: field required']],
    ['/snapshots/', { name: 's', path: '/none' }, 400, { path: ['no such directory'] }],
    ['/s3policies/', { name: 'p', policy: 'no json' }, 400, { policy: [String] }],
    ['/s3lifecyclerules/', { name: 'r', view_id: 99 }, 400, { view_id: [String] }],
    ['/protectedpaths/', { name: 'p' }, 400, { source_dir: [String] }],
  ];
  for (const [path, body, status, answer] of cases) {
    const reply = await api(sim, 'POST', path, body);
    t.equal(reply.status, status, `${path} ${JSON.stringify(body)}`);
    t.match(reply.body, answer);
  }
  t.match(await api(sim, 'PATCH', '/views/1/', { path: '/y' }), { status: 400, body: { path: [String] } });
  t.match(await api(sim, 'PATCH', '/views/1/', { tenant_id: 2 }), { status: 400 });
  t.match(await api(sim, 'GET', '/views/99/'), { status: 404 });
});

t.test('view policies, tenants and snapshots in use are kept', async (t) => {
  const sim = await cluster(t);
  await provision(t, sim, 'bucket-a');
  t.match(await api(sim, 'DELETE', '/viewpolicies/2/'), { status: 409 });
  t.match(await api(sim, 'PATCH', '/viewpolicies/2/', { flavor: 'NFS' }), { status: 400 });
  t.match(await api(sim, 'GET', '/viewpolicies/2/'), { body: { count_views: 1, flavor: 'S3_NATIVE' } });
  t.match(await api(sim, 'DELETE', '/tenants/1/'), { status: 409 });
  await expectStatus(t, api(sim, 'DELETE', '/tenants/2/'), 204);
  const snapshot = { name: 's', path: '/nbu/bucket-a', indestructible: true };
  await expectStatus(t, api(sim, 'POST', '/snapshots/', snapshot), 201);
  t.match(await api(sim, 'DELETE', '/snapshots/1/'), { status: 409 });
  const policy = await expectStatus(t, api(sim, 'POST', '/viewpolicies/', { name: 'mine' }), 201);
  await expectStatus(t, api(sim, 'PATCH', `/viewpolicies/${policy['id']}/`, { nfs_no_squash: ['10.0.0.1'] }), 200);
  await expectStatus(t, api(sim, 'DELETE', `/viewpolicies/${policy['id']}/`), 204);
  const made = await expectStatus(t, api(sim, 'POST', '/viewpolicies/', { name: 'mine' }), 201);
  t.equal(made['id'], Number(policy['id']) + 1, 'ids are not used twice');
});

t.test('lifecycle rules, policies, protection, folders, capacity, pools', async (t) => {
  const sim = await cluster(t);
  const { user } = await provision(t, sim, 'bucket-a');
  const rule = { name: 'r', view_id: 1, abort_mpu_days_after_initiation: 7 };
  await expectStatus(t, api(sim, 'POST', '/s3lifecyclerules/', rule), 201);
  t.match((await api(sim, 'GET', '/s3lifecyclerules/?view_id=1')).body, [{ ...rule, enabled: true, prefix: '' }]);
  const policy = { name: 'p', policy: '{"Version":"2012-10-17","Statement":[]}' };
  const { id } = await expectStatus(t, api(sim, 'POST', '/s3policies/', policy), 201);
  await expectStatus(t, api(sim, 'PATCH', `/users/${user['id']}/`, { s3_policies_ids: [id] }), 200);
  t.match((await api(sim, 'GET', '/s3policies/')).body, [{ users: ['u-bucket-a'] }]);
  t.match(await api(sim, 'PATCH', `/users/${user['id']}/`, { s3_policies_ids: [99] }), { status: 400 });

  const protection = { name: 'p', prefix: 's', clone_type: 'LOCAL', frames: [{ every: '1D' }] };
  await expectStatus(t, api(sim, 'POST', '/protectionpolicies/', protection), 201);
  const path = { name: 'p', source_dir: '/nbu', target_exported_dir: '/', tenant_id: 1, protection_policy_id: 1 };
  t.match(await expectStatus(t, api(sim, 'POST', '/protectedpaths/', path), 201), { state: 'ACTIVE', role: 'SOURCE' });
  t.same((await api(sim, 'GET', '/replicationtargets/')).body, []);

  await expectStatus(t, api(sim, 'POST', '/folders/create_folder/', { path: '/new', tenant_id: 1 }), 200);
  t.match(await api(sim, 'POST', '/folders/create_folder/', { path: '/new' }), { status: 409 });
  t.match(await api(sim, 'POST', '/folders/stat_path/', { path: '/new' }), { status: 200 });
  t.match(await api(sim, 'POST', '/folders/stat_path/', { path: '/none' }), { status: 400 });
  sim.faults.apply({ modes: { trash: false } });
  const refused = { status: 400, body: ['trash folder disabled'] };
  t.match(await api(sim, 'DELETE', '/folders/delete_folder/', { path: '/new' }), refused);
  t.match((await api(sim, 'GET', '/capacity/?path=/')).body, {
    details: [
      ['/', {}],
      ['/nbu', {}],
      ['/new', {}],
    ],
  });
  t.match((await api(sim, 'GET', '/vippools/')).body, [{ name: 'main', role: 'PROTOCOLS', state: 'OK' }]);
  t.match((await api(sim, 'GET', '/vips/?vippool__name=main')).body, [{ ip: '127.0.0.1', vippool: 'main' }]);
  t.match((await api(sim, 'GET', '/users/query/?username=sim')).body, { uid: 1000, s3_superuser: true });
  t.match(await api(sim, 'GET', '/users/query/?uid=1'), { status: 404 });
  t.match((await api(sim, 'GET', '/events/?object_type=views')).body, [{ event_type: 'OBJECT_CREATED', object_id: 1 }]);
  await sim.act({ do: 'raise-alarm', text: 'a drive failed' });
  t.match((await api(sim, 'GET', '/alarms/?severity__in=MAJOR')).body, [{ alarm_message: 'a drive failed' }]);
  t.match(await api(sim, 'PATCH', '/alarms/1/', { acknowledged: true }), { body: { acknowledged: true } });
});

t.test('tasks: progress by the clock; every end; every spelling', async (t) => {
  let now = Date.now();
  const sim = await cluster(t, { clock: () => now });
  const start = async () => {
    await api(sim, 'POST', '/folders/create_folder/', { path: '/f' });
    const body = await expectStatus(t, api(sim, 'DELETE', '/folders/delete_folder/', { path: '/f' }), 200);
    return (body['async_task'] as { id: number }).id;
  };
  const show = async (id: number) => (await api(sim, 'GET', `/vtasks/${id}/`)).body;
  const good = await start();
  t.match(await show(good), { state: 'RUNNING', end_time: null, timeout_in_seconds: 1800 });
  now += 1000;
  t.match(await show(good), { state: 'COMPLETED', end_time: String, execution_time: 1 });
  t.match(await api(sim, 'PATCH', `/vtasks/${good}/retry/`), { status: 409 });

  sim.faults.apply({ modes: { taskEnd: 'FAILED', taskMs: 0, lowerCaseTasks: true } });
  const bad = await start();
  const shown = (await show(bad)) as { state: string; messages: string[] };
  t.equal(shown.state, 'failed');
  t.match(shown.messages.at(-1), /told to fail/);
  t.match(await api(sim, 'POST', '/folders/stat_path/', { path: '/f' }), { status: 200 }, 'what failed did nothing');
  sim.faults.apply({ modes: { taskEnd: 'COMPLETED' } });
  t.match(await api(sim, 'PATCH', `/vtasks/${bad}/retry/`), { body: { state: 'completed' } });
  t.match(((await api(sim, 'GET', '/vtasks/')).body as unknown[]).length, 2);
});

t.test('metrics: newest row null, columns in any order, what cannot be asked', async (t) => {
  const sim = await cluster(t);
  const ask = (query: string) => api(sim, 'GET', `/monitors/ad_hoc_query/?object_type=cluster&time_frame=30s&${query}`);
  const drr = 'prop_list=Capacity,drr';
  const both = `${drr}&prop_list=Capacity,logical_space_in_use`;
  const columns = ['timestamp', 'object_id', 'Capacity,drr', 'Capacity,logical_space_in_use'];
  const nulls = (await ask(both)).body as { prop_list: string[]; data: unknown[][] };
  t.same(nulls.prop_list, columns);
  t.match(nulls.data, [
    [String, 1, null, null],
    [String, 1, 2.5, 0],
    [String, 1, 2.5, 0],
  ]);
  sim.faults.apply({ modes: { nullMetrics: false, permuteProperties: true } });
  t.match((await ask(both)).body, {
    prop_list: ['timestamp', 'object_id', columns[3], columns[2]],
    data: [[String, 1, 0, 2.5], [], []],
  });
  t.match(await ask('prop_list=Capacity,none'), { status: 400, body: ['metrics not available'] });
  const mixed = await ask(`${drr}&prop_list=ProtoMetrics,proto_name=S3Common,iops`);
  t.match(mixed, { status: 400, body: ["can't mix properties"] });
  t.match(await ask(''), { status: 400 });
  const monitor = { name: 'm', object_type: 'cluster', prop_list: ['Capacity,drr'] };
  await expectStatus(t, api(sim, 'POST', '/monitors/', monitor), 201);
  t.match((await api(sim, 'GET', '/monitors/1/query/')).body, {
    prop_list: ['timestamp', 'object_id', 'Capacity,drr'],
  });
  await provision(t, sim, 'bucket-a');
  const page = await api(sim, 'GET', '/prometheusmetrics/all');
  t.match(page.headers['content-type'], /^text\/plain/);
  t.match(
    page.text,
    /^vast_cluster_drr\{cluster="vast-sim"\} 2\.5$[\s\S]*^vast_view_logical_capacity\{path="\/nbu\/bucket-a"\} 0$/m,
  );
});
