#!/usr/bin/env python3
"""ost-host and the plugin against the stand-in engine: conformance, and an engine that dies, hangs or is absent.

usage: integration.py BUILD [--wrapper CMD] [--sweep STEP] [NAME...]
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Engine:
    """The stand-in, started again when it dies."""

    live = []  # of the test that runs; stopped at its end, however it ends

    def __init__(self, place, *first, always=(), restart=True):
        self.place, self.always, self.restart = place, always, restart
        self.starts, self.stopping, self.lock = 0, False, threading.Lock()
        self.live.append(self)
        self.start(first)
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def start(self, extra=()):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, 'fake-engine.py'), '--socket', os.path.join(self.place, 'ost.sock'),
             '--dir', os.path.join(self.place, 'store'), *self.always, *extra], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == 'ready\n'
        self.starts += 1

    def watch(self):
        while True:
            self.process.wait()
            with self.lock:
                if self.stopping or not self.restart:
                    return
                self.start()

    def kill(self):
        with self.lock:
            self.process.kill()

    def stop(self):
        with self.lock:
            self.stopping = True
            self.process.kill()
        self.watcher.join()
        self.process.stdout.close()
        self.live.remove(self)


class Place:
    """A folder with a configuration and a store."""

    def __init__(self, options, **settings):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix='vost-')
        os.mkdir(os.path.join(self.folder, 'store'))
        values = dict(socket=os.path.join(self.folder, 'ost.sock'), log_file=os.path.join(self.folder, 'log'), log_level=2,
                      slot_mib=1, slots=16, engine_timeout_ms=20000, connect_timeout_ms=20000,
                      reconnect_patience_ms=60000)
        values.update(settings)
        with open(os.path.join(self.folder, 'conf'), 'w', encoding='utf-8') as file:
            file.writelines('%s = %s\n' % item for item in values.items())

    def run(self, *arguments, data=None):
        environment = dict(os.environ, VAST_OST_PLUGIN_CONF=os.path.join(self.folder, 'conf'))
        command = self.options.wrapper.split() + [os.path.join(self.options.build, 'ost-host'), *arguments]
        done = subprocess.run(command, env=environment, input=data, capture_output=True, timeout=900 if self.options.wrapper else 60, check=False)
        self.output = done.stdout.decode(errors='replace') + done.stderr.decode(errors='replace')
        self.data = done.stdout
        return done.returncode

    def log(self):
        with open(os.path.join(self.folder, 'log'), encoding='utf-8') as file:
            return file.read()

    def remove(self):
        shutil.rmtree(self.folder)


def conformance(place):
    engine = Engine(place.folder)
    code = place.run('conformance', '--lsu', 'lsu-one', '--to-lsu', 'lsu-two', '--failing-lsu', 'lsu-one')
    engine.stop()
    assert code == 0, place.output
    assert engine.starts == 1, 'the engine died'


def stripes(place):
    engine = Engine(place.folder)
    data = os.urandom(3_333_333)
    for pattern in ('forward', 'swap', 'jump'):
        name = 'pipe-' + pattern
        assert place.run('backup', '--lsu', 'lsu-one', '--image', name, '--streams', '4', '--stripe', '64K', '--buffer', '32K',
                         '--fragment', '512K', '--pattern', pattern, data=data) == 0, place.output
        assert place.run('restore', '--lsu', 'lsu-one', '--image', name) == 0, place.output
        assert place.data == data
    path = os.path.join(place.folder, 'input')
    with open(path, 'wb') as file:
        file.write(data)
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'file', '--streams', '3', '--stripe', '256K', '--file', path) == 0
    assert place.run('restore', '--lsu', 'lsu-one', '--image', 'file', '--file', path + '.out') == 0, place.output
    with open(path + '.out', 'rb') as file:
        assert file.read() == data
    assert place.run('delete', '--lsu', 'lsu-one', '--image', 'file') == 0
    assert place.run('restore', '--lsu', 'lsu-one', '--image', 'file') == 1
    engine.stop()


def backpressure(place):
    engine = Engine(place.folder, always=('--budget', '3', '--store-ms', '2'))
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'b', '--generate', '8M', '--streams', '6') == 0, place.output
    assert place.run('restore', '--lsu', 'lsu-one', '--image', 'b') == 0, place.output
    engine.stop()


def few_slots(place):
    """More readers and writers than the arena has slots: they wait for each other, and read slots are taken back."""
    engine = Engine(place.folder)
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'b', '--generate', '5M', '--streams', '8') == 0, place.output
    assert place.run('restore', '--lsu', 'lsu-one', '--image', 'b') == 0, place.output
    engine.stop()


few_slots.settings = dict(slots=9)


def dies_while_storing(place):
    """kill -9 after every n-th stored chunk, again and again: each run ends complete and verified."""
    for count in (2, 5):
        engine = Engine(place.folder, '--die-after', str(count), always=('--die-after', str(count)))
        name = 'n%d' % count
        assert place.run('backup', '--lsu', 'lsu-one', '--image', name, '--generate', '4M', '--streams', '3',
                         '--pattern', 'jump') == 0, place.output + place.log()
        engine.always = ()
        engine.kill()
        assert place.run('restore', '--lsu', 'lsu-one', '--image', name) == 0, place.output
        assert engine.starts > 2
        engine.stop()


def dies_at_frame(place):
    """kill -9 at every message: before it is handled, handled but unanswered, answered."""
    step = place.options.sweep
    for when in ('before', 'unanswered', 'after'):
        number, alive = 1, 0
        # A host may end before the engine reached its last message: only two runs in a row mean the end.
        while alive < 2:
            store = os.path.join(place.folder, 'store')
            shutil.rmtree(store)
            os.mkdir(store)
            engine = Engine(place.folder, '--die-at-frame', str(number), '--die-when', when)
            for command in (['backup', '--generate', '3M', '--pattern', 'swap'], ['restore'], ['delete']):
                code = place.run(command[0], '--lsu', 'lsu-one', '--image', 'b', *command[1:])
                assert code == 0, '%s at frame %d: %s\n%s' % (when, number, place.output, place.log())
            alive = alive + 1 if engine.starts == 1 else 0
            engine.stop()
            number += step
        assert number > 30, 'the engine never died'


def dies_while_copying(place):
    for number in range(1, 14):
        engine = Engine(place.folder)
        name, target = 'c%d' % number, 'd%d_C1_F1' % number
        assert place.run('backup', '--lsu', 'lsu-one', '--image', name, '--generate', '1M') == 0
        engine.stop()
        engine = Engine(place.folder, '--die-at-frame', str(number), '--die-when', 'unanswered', always=('--copy-polls', '3'))
        for mode in ([], ['--async']):
            assert place.run('copy', '--lsu', 'lsu-one', '--image', name + '_C1_F1', '--to-lsu', 'lsu-two', '--to-image',
                             target + '.'.join(mode), *mode) == 0, '%d %s' % (number, place.output)
        engine.stop()


def absent(place):
    begin = time.monotonic()
    assert place.run('info', '-si') == 3, place.output
    assert time.monotonic() - begin < 60
    assert 'STS_ESOCK [2060019]' in place.log()


absent.settings = dict(connect_timeout_ms=300)


def hangs(place):
    """SIGSTOP: the call ends with again, within engine_timeout and patience."""
    engine = Engine(place.folder, always=('--store-ms', '5'))
    environment = dict(os.environ, VAST_OST_PLUGIN_CONF=os.path.join(place.folder, 'conf'))
    host = subprocess.Popen(place.options.wrapper.split() +
                            [os.path.join(place.options.build, 'ost-host'), 'backup', '--lsu', 'lsu-one', '--image', 'b',
                             '--generate', '2G'], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    store = os.path.join(place.folder, 'store', 'lsu-one')
    while not os.listdir(store):
        time.sleep(0.01)
    os.kill(engine.process.pid, signal.SIGSTOP)
    output = host.communicate(timeout=200)[0].decode()
    assert host.returncode == 1, output
    assert '2060012' in output or '2060019' in output, output
    engine.stop()


hangs.settings = dict(engine_timeout_ms=600, reconnect_patience_ms=1500)


def hangs_and_recovers(place):
    """A stop that is shorter than the patience is not noticed by the job."""
    engine = Engine(place.folder, always=('--store-ms', '5'))
    environment = dict(os.environ, VAST_OST_PLUGIN_CONF=os.path.join(place.folder, 'conf'))
    host = subprocess.Popen(place.options.wrapper.split() +
                            [os.path.join(place.options.build, 'ost-host'), 'backup', '--lsu', 'lsu-one', '--image', 'b',
                             '--generate', '64M'], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    store = os.path.join(place.folder, 'store', 'lsu-one')
    while not os.listdir(store):
        time.sleep(0.01)
    os.kill(engine.process.pid, signal.SIGSTOP)
    while 'does not answer' not in place.log():
        time.sleep(0.05)
    os.kill(engine.process.pid, signal.SIGCONT)
    output = host.communicate(timeout=200)[0].decode()
    assert host.returncode == 0, output + place.log()
    assert place.run('restore', '--lsu', 'lsu-one', '--image', 'b') == 0, place.output
    engine.stop()


hangs_and_recovers.settings = dict(engine_timeout_ms=800)


def gone_for_good(place):
    """The engine dies and does not come back: the job fails after the patience, and the host ends well."""
    engine = Engine(place.folder, '--die-after', '5', restart=False)
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'b', '--generate', '64M', '--streams', '3') == 1, place.output
    assert '2060019' in place.output, place.output
    engine.stop()


gone_for_good.settings = dict(reconnect_patience_ms=500, connect_timeout_ms=300)


def late_error(place):
    engine = Engine(place.folder)
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'late-error', '--generate', '16M') == 1, place.output
    assert '2060902' in place.output and 'quota reached' in place.log(), place.output
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'no-space', '--generate', '1M') == 1, place.output
    assert 'the bucket is full' in place.log()
    assert 'close_server failed' not in place.output
    engine.stop()


def slow_close(place):
    """A close that takes longer than engine_timeout is no hang while the engine answers pings elsewhere."""
    engine = Engine(place.folder, always=('--close-ms', '300'))
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'b', '--generate', '1M', '--streams', '4') == 0, place.output
    engine.stop()


def wishes(place):
    engine = Engine(place.folder, always=('--wish-mib', '2'))
    assert place.run('backup', '--lsu', 'lsu-one', '--image', 'b', '--generate', '5M') == 0, place.output + place.log()
    engine.stop()


def credentials(place):
    engine = Engine(place.folder)
    os.environ['VAST_OST_PASSWORD'] = 'top-secret-word'
    assert place.run('info', '-si', '--user', 'bad') == 3, place.output
    assert 'STS_EAUTH' in place.log() and 'top-secret' not in place.log() + place.output
    assert place.run('info', '-si', '--user', 'good') == 0, place.output
    del os.environ['VAST_OST_PASSWORD']
    engine.stop()


TESTS = [conformance, stripes, backpressure, few_slots, dies_while_storing, dies_at_frame, dies_while_copying, absent,
         hangs, hangs_and_recovers, gone_for_good, late_error, slow_close, wishes, credentials]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('build')
    parser.add_argument('--wrapper', default='', help='put before ost-host, like valgrind')
    parser.add_argument('--sweep', type=int, default=3, help='dies_at_frame: every so many frames')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    failed = 0
    for test in TESTS:
        if options.names and test.__name__ not in options.names:
            continue
        place = Place(options, **getattr(test, 'settings', {}))
        begin = time.monotonic()
        try:
            test(place)
            print('ok - %s (%.1f s)' % (test.__name__, time.monotonic() - begin), flush=True)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            failed += 1
            print('not ok - %s: %s' % (test.__name__, error), flush=True)
        for engine in list(Engine.live):
            engine.stop()
        place.remove()
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
