import { Command, Option } from 'commander';
import { RELEASES } from '../sim/cluster/release.ts';
import { VERSION } from '../version.ts';
import {
  countArgument,
  dateArgument,
  durationArgument,
  portArgument,
  rateArgument,
  sizeArgument,
} from './arguments.ts';
import type { BackupOptions } from './commands/backup.ts';
import type { ChaosProxyOptions } from './commands/chaos-proxy.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { GcOptions } from './commands/gc.ts';
import type { ListOptions } from './commands/list.ts';
import type { LockOptions } from './commands/lock.ts';
import type { ProvisionOptions } from './commands/provision.ts';
import type { RepairCommandOptions } from './commands/repair.ts';
import type { RestoreOptions } from './commands/restore.ts';
import type { ScrubCommandOptions } from './commands/scrub.ts';
import type { SimOptions } from './commands/sim.ts';
import type { StageCreateOptions } from './commands/stage-create.ts';
import type { TopOptions } from './commands/top.ts';
import type { VerifyCommandOptions } from './commands/verify.ts';
import type { AtSnapshot, Context } from './context.ts';
import { type GlobalOptions, loadSettings } from './load-settings.ts';

/**
 * The command line of `vast-ost`. Options whose names are settings override the configuration file. A command is loaded when it is run: what
 * all of them need together takes a second of CPU.
 */
export function buildProgram(signal: AbortSignal): Command {
  const program = new Command('vast-ost')
    .description('Carries backup images into VAST Data storage and back, verified byte by byte.')
    .version(VERSION)
    .option('--store <url>', 'file:DIR, s3:http://host:port or s3:https://host:port')
    .option('--config <file>', 'configuration file (default: /etc/vast-ost/vast-ost.conf, if there is one)')
    .option('--s3-region <name>', 'region to sign requests for (default: us-east-1)')
    .option('--s3-ca-file <file>', 'PEM file with the authorities to trust')
    .option('--endpoints <urls>', 'addresses of the data VIPs, separated by commas')
    .option('--dns-name <name>', 'DNS name that has the addresses of the data VIPs')
    .option('--dns-servers <addresses>', 'DNS servers to ask for them (default: those of the system)')
    .option('--connections-per-vip <n>', 'requests that one VIP gets at the same time (default: 64)')
    .option('--wire-integrity <mode>', 'auto, sha256, md5 or none: how bodies are protected on the wire')
    .option('--memory-budget-mb <n>', 'bound on payload memory (default: 512)')
    .option('--retry-count <n>', 'how often a request is tried again (default: 10)')
    .option('--retry-seconds <n>', 'how long a request is tried again (default: 300)')
    .option(
      '--stage <name[:options]>',
      "a vendor's stage, by package or path, for backups and to read what it wrote; may be repeated (docs/stages.md)",
      (stage: string, before: readonly string[] = []) => [...before, stage],
    )
    .option('--stage-dir <dir>', 'where stages are installed (default: /opt/vast-ost-stages)')
    .option('--use-direct-io <bool>', 'bypass the page cache in a directory store (default: true)')
    .option('--log-level <level>', 'fatal, error, warn, info, debug or trace (default: info)')
    .option('--log-file <file>', 'append a log in JSON lines')
    .option('--json', 'results as JSON lines on standard output')
    .showHelpAfterError('(vast-ost --help shows all commands)')
    .exitOverride();

  /** Run with settings, storage and memory set up. */
  const run = async (work: (context: Context) => Promise<void>, local: object = {}): Promise<void> => {
    const options: GlobalOptions = { ...program.opts(), ...local };
    const { withContext } = await import('./context.ts');
    await withContext(options, signal, work);
  };

  program
    .command('backup')
    .description('back up a file, or standard input, as an image')
    .argument('<lsu>')
    .argument('<image>', 'name of the new image')
    .argument('[file]', 'what to back up; - is standard input', '-')
    .option('--create-lsu', 'make the LSU when there is none')
    .option('--date <text>', 'date of the image (default: now, in seconds since 1970)')
    .option('--policy <name>', 'backup policy, recorded with the image')
    .option('--schedule <name>', 'schedule, recorded with the image')
    .option('--client <name>', 'client, recorded with the image')
    .option('--sha256', 'also compute the plain SHA-256 of the image')
    .option('--compression <name>', 'none, lz4 or auto (default: none)')
    .option('--chunk-size-mb <n>', 'length of a chunk (default: 64)')
    .option('--part-size-mb <n>', 'size of the first parts (default: 64)')
    .option('--parallel-streams <n>', 'parts in flight, or auto (default: auto)')
    .action((lsu: string, image: string, file: string, options: BackupOptions) =>
      run(
        async (context) => (await import('./commands/backup.ts')).backup(context, lsu, image, file, options),
        options,
      ),
    );

  program
    .command('restore')
    .description('restore an image, or a range of it, verified, to a file or standard output')
    .argument('<lsu>')
    .argument('<image>', 'NAME, NAME:DATE or an image id')
    .argument('[file]', 'where to; - is standard output', '-')
    .option('--offset <size>', 'first byte wanted', sizeArgument)
    .option('--length <size>', 'bytes wanted', sizeArgument)
    .option('--read-ahead <n>', 'chunks fetched at the same time, or auto (default: auto)')
    .option('--snapshot <name>', 'as a snapshot of the LSU has it (a directory store on NFS)')
    .action((lsu: string, image: string, file: string, options: RestoreOptions) =>
      run(
        async (context) => (await import('./commands/restore.ts')).restore(context, lsu, image, file, options),
        options,
      ),
    );

  program
    .command('list')
    .description('list the LSUs, or the images of one')
    .argument('[lsu]')
    .option('--snapshots', 'name the snapshots of the LSU instead')
    .option('--snapshot <name>', 'as a snapshot of the LSU has it (a directory store on NFS)')
    .action((lsu: string | undefined, options: ListOptions) =>
      run(async (context) => (await import('./commands/list.ts')).list(context, lsu, options)),
    );

  program
    .command('show')
    .description('show all that is recorded about an image')
    .argument('<lsu>')
    .argument('<image>', 'NAME, NAME:DATE or an image id')
    .option('--snapshot <name>', 'as a snapshot of the LSU has it (a directory store on NFS)')
    .action((lsu: string, image: string, options: AtSnapshot) =>
      run(async (context) => (await import('./commands/show.ts')).show(context, lsu, image, options)),
    );

  program
    .command('verify')
    .description('read images back and compare every byte with its digest')
    .argument('<lsu>')
    .argument('[image]', 'NAME, NAME:DATE or an image id; all images when absent')
    .option('--subset <s>', 'n/t, x% or a size: read only that much')
    .option('--older-than <duration>', 'of all images, those completed longer ago, such as 30d', durationArgument)
    .option('--newer-than <duration>', 'of all images, those completed more recently', durationArgument)
    .option('--read-ahead <n>', 'chunks fetched at the same time, or auto (default: auto)')
    .option('--snapshot <name>', 'as a snapshot of the LSU has it (a directory store on NFS)')
    .action((lsu: string, image: string | undefined, options: VerifyCommandOptions) =>
      run(async (context) => (await import('./commands/verify.ts')).verify(context, lsu, image, options), options),
    );

  program
    .command('scrub')
    .description(
      'verify the images of an LSU, those first that were verified longest ago; goes on where the last run ended',
    )
    .argument('<lsu>')
    .option('--bytes-per-second <size>', 'stored bytes read a second, at least 1M (default: no bound)', rateArgument)
    .option('--for <duration>', 'stop after so long, such as 4h (default: at the end of the round)', durationArgument)
    .option('--read-ahead <n>', 'chunks fetched at the same time, or auto (default: auto)')
    .action((lsu: string, options: ScrubCommandOptions) =>
      run(async (context) => (await import('./commands/scrub.ts')).scrubLsu(context, lsu, options), options),
    );

  program
    .command('repair')
    .description('heal damaged objects of an image from another copy of it')
    .argument('<lsu>')
    .argument('<image>', 'NAME, NAME:DATE or an image id')
    .option('--from <lsu[:image]>', 'LSU that has the copy, and its name there if it is another (default: the same)')
    .option('--from-snapshot <name>', 'the copy is in this snapshot (a directory store on NFS)')
    .option('--dry-run', 'name what is damaged only')
    .action((lsu: string, image: string, options: RepairCommandOptions) =>
      run(async (context) => (await import('./commands/repair.ts')).repair(context, lsu, image, options)),
    );

  program
    .command('delete')
    .description('delete an image, complete or unfinished')
    .argument('<lsu>')
    .argument('<image>', 'NAME, NAME:DATE or an image id')
    .action((lsu: string, image: string) =>
      run(async (context) => (await import('./commands/remove.ts')).remove(context, lsu, image)),
    );

  program
    .command('lock')
    .description('lock a complete image against deletion, or for longer; a lock is never shortened')
    .argument('<lsu>')
    .argument('<image>', 'NAME, NAME:DATE or an image id')
    .option('--until <date>', 'such as 2027-01-31 or 2027-01-31T12:00:00Z', dateArgument)
    .option('--for <duration>', 'from now on, such as 30d', durationArgument)
    .action((lsu: string, image: string, options: LockOptions) =>
      run(async (context) => (await import('./commands/lock.ts')).lock(context, lsu, image, options)),
    );

  program
    .command('gc')
    .description('name and remove what no image needs')
    .argument('<lsu>')
    .option('--older-than <duration>', 'spare what is younger', durationArgument, 86_400_000)
    .option('--pending-older-than <duration>', 'also remove unfinished images older than this', durationArgument)
    .option('--dry-run', 'name only')
    .action((lsu: string, options: GcOptions) =>
      run(async (context) => (await import('./commands/gc.ts')).gc(context, lsu, options)),
    );

  program
    .command('serve')
    .description('serve NetBackup: listen for its processes until SIGTERM; sections [engine] and [server NAME]')
    .option('--socket <path>', 'Unix socket to listen on (default: /run/vast-ost/ost.sock)')
    .option('--state-dir <dir>', 'where the event logs are (default: /var/lib/vast-ost)')
    .option('--chunk-size-mb <n>', 'length of a chunk (default: 64)')
    .option('--compression <name>', 'none, lz4 or auto (default: none)')
    .action(async (options: object) => {
      const { serve } = await import('./commands/serve.ts');
      await serve(await loadSettings({ ...program.opts(), ...options }), signal);
    });

  program
    .command('provision')
    .description('make on the cluster what [server NAME] and [lsu NAME/LSU] want: views, owner, keys, quotas, rules')
    .argument('<server>', 'NAME of the section [server NAME]')
    .option('--dry-run', 'print the plan only')
    .option('--teardown', 'remove what was made, unless it holds data')
    .option('--force', 'with --teardown: remove views with data as well (the data stays in its directory)')
    .action(async (server: string, options: ProvisionOptions) => {
      const globals: GlobalOptions = program.opts();
      const { provision } = await import('./commands/provision.ts');
      await provision(server, await loadSettings(globals), { ...options, json: globals.json === true }, signal);
    });

  program
    .command('doctor')
    .description('look at everything that a backup needs, from the machine to a probe image; one line per check')
    .argument('[server]', 'only this [server NAME]')
    .option('--lsu <name>', 'only this LSU')
    .option('--no-write', 'write no probe image')
    .option('--plugins <dir>', 'where NetBackup looks for plugins', '/usr/openv/lib/ost-plugins')
    .action(async (server: string | undefined, options: Omit<DoctorOptions, 'json'>) => {
      const json = program.opts()['json'] === true;
      const { doctor } = await import('./commands/doctor.ts');
      await doctor(await loadSettings(program.opts()), server, { ...options, json }, signal);
    });

  program
    .command('top')
    .description('show what a running engine does and what holds it back, every second: docs/console.md')
    .option('--url <url>', 'of its console (default: where [metrics] of the configuration listens)')
    .option('--token-file <file>', 'file with a token (default: token_file of [console])')
    .option('--once', 'one picture, then end')
    .action(async (options: Pick<TopOptions, 'url' | 'once'>) => {
      const json = program.opts()['json'] === true;
      const { top } = await import('./commands/top.ts');
      await top(await loadSettings({ ...program.opts(), ...options }), { ...options, json }, signal);
    });

  program
    .command('sim')
    .description('run a simulated VAST cluster (S3, VMS, DNS) until interrupted: docs/simulator.md')
    .requiredOption('--dir <dir>', 'where its state lives')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--vips <n>', 'serve S3 on the addresses 127.0.1.1 to 127.0.1.N instead', countArgument, 0)
    .option('--port <n>', 'port of S3; 0 takes a free one', portArgument, 9000)
    .option('--tls-port <n>', 'port of S3 over TLS', portArgument, 0)
    .option('--vms-port <n>', 'port of VMS', portArgument, 0)
    .option('--admin-port <n>', 'port that takes faults and shows the log', portArgument, 0)
    .option('--dns-port <n>', 'port of DNS', portArgument, 0)
    .option('--plain', 'no TLS')
    .option('--seed <n>', 'seed of random faults', countArgument, 1)
    .addOption(new Option('--release <x.y>', 'VAST release to imitate').choices([...RELEASES]).default('5.3'))
    .addOption(
      new Option('--checksums <mode>', 'what to do with x-amz-checksum headers')
        .choices(['reject', 'ignore', 'full'])
        .default('ignore'),
    )
    .action(async (options: SimOptions) => {
      const { sim } = await import('./commands/sim.ts');
      await sim({ ...options, json: program.opts()['json'] === true }, signal);
    });

  const stage = program.command('stage').description('make and test stages of your own: docs/stages.md');
  stage
    .command('test')
    .description('hold a stage to what the engine expects of it, and measure it')
    .argument('<name[:options]>', 'package or path, as in --stage')
    .option('--seconds <n>', 'how long each measurement takes; 0 measures nothing', countArgument, 1)
    .action(async (name: string, { seconds }: { seconds: number }) => {
      const globals: GlobalOptions = program.opts();
      const { stageTest } = await import('./commands/stage-test.ts');
      await stageTest(name, await loadSettings(globals), { seconds, json: globals.json === true }, signal);
    });
  stage
    .command('create')
    .description("make a new stage's package, with tests")
    .argument('<name>', 'vast-ost-stage-NAME or @scope/vast-ost-stage-NAME')
    .addOption(
      new Option('--kind <kind>', 'what it shall be').choices(['transform', 'observer', 'router']).default('transform'),
    )
    .option('--dir <dir>', 'where (default: a new folder of its name)')
    .action(async (name: string, options: Omit<StageCreateOptions, 'json'>) => {
      const { stageCreate } = await import('./commands/stage-create.ts');
      await stageCreate(name, { ...options, json: program.opts()['json'] === true });
    });

  program
    .command('chaos-proxy')
    .description('run a TCP proxy that breaks connections on purpose, until interrupted: docs/testing.md')
    .argument('<listen>', 'HOST:PORT to listen on; port 0 takes a free one')
    .argument('<target>', 'HOST:PORT to connect to')
    .option('--faults <faults>', 'SEED or SEED,KIND=RATE,…', '1')
    .action(async (listen: string, target: string, options: Pick<ChaosProxyOptions, 'faults'>) => {
      const { chaosProxy } = await import('./commands/chaos-proxy.ts');
      await chaosProxy(listen, target, { ...options, json: program.opts()['json'] === true }, signal);
    });

  return program;
}
