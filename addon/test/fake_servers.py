"""The stand-in engine's servers, LSUs, copies and events."""
import os
import time

from fake_storage import ABORTED, EXISTS, INVALID, NOT_FOUND, UNKNOWN, Refused


class Servers:
    # ---- servers ----
    def server(self, f):
        if f['server'] not in self.servers:
            raise Refused(INVALID, 'no such server')

    def on_ping(self, f):
        return {}

    def info(self, name):
        if not name.startswith('VastData:') or name == 'VastData:unknown':
            raise Refused(NOT_FOUND, 'no server %r' % name)
        return dict(name=name, version='fake 1', capabilities=0x7f, max_handles=1024)

    def on_server_open(self, f):
        if f['user'] == 'bad':
            raise Refused(11, 'user or password is wrong')
        self.servers[f['server']] = f['name']
        return self.info(f['name'])

    def on_server_close(self, f):
        self.servers.pop(f['server'], None)

    def on_server_prop(self, f):
        return self.info(self.servers.get(f['server'], '') if f['server'] else f['name'])

    def on_config_get(self, f):
        self.server(f)
        text = self.storage.read(self.storage.root, 'config.json') or 'compression = off\n'
        return dict(text=text.encode())

    def on_config_set(self, f):
        self.server(f)
        if b'=' not in f['text']:
            raise Refused(INVALID, 'line 1: no value')
        self.storage.write(self.storage.root, 'config.json', f['text'].decode())

    # ---- LSUs ----
    def on_lsu_list(self, f):
        self.server(f)
        names = sorted(n for n in os.listdir(self.storage.root) if os.path.isdir(os.path.join(self.storage.root, n)))
        rest = [n for n in names if n > f['cursor']]
        page = rest[:1]
        return dict(cursor=page[-1] if len(rest) > 1 else '', names=[dict(name=n) for n in page])

    def on_lsu_prop(self, f):
        self.server(f)
        folder = self.storage.lsu(f['lsu'])
        label = self.storage.read(folder, 'label.json') or ''
        return dict(name=f['lsu'], label=label, description='a directory', flags=0x1b, capacity=1 << 40, used=0,
                    phys_capacity=UNKNOWN, phys_used=UNKNOWN, images=UNKNOWN, worm_minimum=0, worm_maximum=0)

    def on_lsu_label(self, f):
        self.server(f)
        self.storage.write(self.storage.lsu(f['lsu']), 'label.json', f['label'])

    # ---- copies and events ----
    def on_copy_start(self, f):
        if f['operation'] in self.copies:
            return
        source = self.storage.folder(f['from_lsu'], f['from'])
        target = self.storage.folder(f['to_lsu'], f['to'])
        manifest = self.storage.read(source, 'manifest.json')
        if not manifest:
            raise Refused(NOT_FOUND, 'no such image')
        if os.path.isdir(target) and not self.resend:
            raise Refused(EXISTS, 'the target is there already')
        self.copies[f['operation']] = dict(f=f, source=source, target=target, manifest=manifest, polls=0, state='running')

    def on_copy_wait(self, f):
        copy = self.copies.get(f['operation'])
        if copy is None:
            raise Refused(NOT_FOUND, 'no such operation')
        size = copy['manifest']['size']
        if copy['state'] == 'cancelled':
            raise Refused(ABORTED, 'the copy was cancelled')
        if copy['state'] == 'running':
            copy['polls'] += 1
            if copy['polls'] <= self.engine.options.copy_polls:
                return dict(state=0, done=size * copy['polls'] // (self.engine.options.copy_polls + 1), total=size)
            os.makedirs(copy['target'], exist_ok=True)
            for name in os.listdir(copy['source']):
                if name != 'manifest.json':
                    with open(os.path.join(copy['source'], name), 'rb') as a, open(os.path.join(copy['target'], name), 'wb') as b:
                        b.write(a.read())
            self.storage.write(copy['target'], 'manifest.json', dict(copy['manifest'], id=copy['f']['to']))
            copy['state'] = 'done'
            if copy['f']['flags'] & 1:
                self.event(1, copy['f']['to_lsu'], copy['f']['to'], b'copied')
        return dict(state=1, done=size, total=size)

    def on_copy_cancel(self, f):
        if f['operation'] not in self.copies:
            raise Refused(NOT_FOUND, 'no such operation')
        self.copies[f['operation']]['state'] = 'cancelled'

    def on_copy_release(self, f):
        self.copies.pop(f['operation'], None)

    def event(self, kind, lsu, identity, payload):
        events = self.engine.events
        events.append(dict(sequence=len(events) + 1, time=int(time.time()), type=kind, lsu=lsu, image=identity,
                           payload=payload.hex()))
        self.storage.write(self.storage.root, 'events.json', events)

    def on_event_get(self, f):
        self.server(f)
        found = [e for e in self.engine.events if e['sequence'] > f['after']][:min(2, f['max'])]
        out = [dict({k: e[k] for k in ('sequence', 'time', 'type', 'lsu', 'image')}, payload_bytes=len(e['payload']) // 2)
               for e in found]
        return dict(latest=len(self.engine.events), events=out)

    def on_event_payload(self, f):
        self.server(f)
        for event in self.engine.events:
            if event['sequence'] == f['sequence']:
                return dict(data=bytes.fromhex(event['payload']))
        raise Refused(NOT_FOUND, 'no such event')
