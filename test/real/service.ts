/**
 * The real service in a rack host: the very process that `npm start` becomes, with its own state on the shared scratch disk.
 *
 * `openService` starts it, sets it up with the code that it prints and makes an API token on its command line. It can be
 * killed and started again, also as another program, on the same state; the token stays good. Requests come from outside
 * through the host's forward, each over a connection of its own, so that none meets a socket of an earlier life.
 * `withService` wraps a whole test and shows the logs when it fails. Called by test/real/service-*.test.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient } from '../api-client.ts';
import { checkout, type Daemon, openRackHost, type RackHost, type RackHostOptions, type RackProcess } from './rack-host.ts';

export type { Body, Event, Problem, Reply, Task, Vm } from '../api-client.ts';

export const adminPassword = 'correct horse battery';
export interface ServiceOptions {
  /** What its first life runs with Node, seen from the checkout; the service itself unless told. */
  program?: string;
  env?: Record<string, string>;
  /** Folder of the state inside the host; `state` in the shared scratch folder unless told. */
  statePath?: string;
}

export async function openService(host: RackHost, options: ServiceOptions = {}): Promise<Service> {
  const service = new Service(host, options);
  await service.start(options.program);
  await service.setUp();
  return service;
}

/** A host with the service for one test; everything ends with it. */
export async function withService(options: RackHostOptions & ServiceOptions, work: (service: Service) => Promise<void>): Promise<void> {
  const host = await openRackHost(options);
  let service: Service | undefined;
  try {
    service = await openService(host, options);
    await work(service);
  } catch (error) {
    if (service) console.log(service.logs());
    throw error;
  } finally {
    await host.close();
  }
}

/** Lets the host write in its checkout, as a user's own is; what it writes ends with the host. */
export async function makeCheckoutWritable(host: RackHost): Promise<void> {
  await host.must(['mkdir', '-p', '/srv/checkout']);
  await host.must(['mount', '-t', 'tmpfs', 'checkout', '/srv/checkout']);
  await host.must(['mkdir', '/srv/checkout/upper', '/srv/checkout/work']);
  await host.must(['mount', '-t', 'overlay', '-o', `lowerdir=${checkout},upperdir=/srv/checkout/upper,workdir=/srv/checkout/work`, 'checkout', checkout], { cwd: '/' });
}

export class Service extends ApiClient {
  readonly host: RackHost;
  readonly statePath: string;
  readonly #options: ServiceOptions;
  readonly #lives: RackProcess[] = [];

  constructor(host: RackHost, options: ServiceOptions) {
    super((path, init) => host.fetch(path, init));
    this.host = host;
    this.#options = options;
    this.statePath = options.statePath ?? host.path('state');
  }

  /** The process that runs now, or the one that ran last. */
  get process(): RackProcess {
    const process = this.#lives.at(-1);
    if (!process) throw new Error('the service was never started');
    return process;
  }

  get env(): Record<string, string> {
    return { BOTHY_STATE: this.statePath, BOTHY_LOG: 'info', ...this.#options.env };
  }

  /** Starts it as it is shipped, or another program in its place, and waits until it is ready. */
  async start(program?: string): Promise<void> {
    const process = this.host.spawn([join(checkout, 'image/serve'), ...(program ? [join(checkout, program)] : [])], { env: this.env });
    this.#lives.push(process);
    await process.line(/ is ready: /, 60_000);
  }

  async setUp(): Promise<void> {
    const code = (await this.process.line(/^Set-up code: /)).split(': ')[1] ?? '';
    await this.must('POST', '/setup', { code, password: adminPassword });
    this.token = (await this.bothy('token', 'create', '--name', 'ci')).trim();
  }

  /** The command line, as root types it on the host. */
  bothy(...args: string[]): Promise<string> {
    return this.host.must(['image/bothy', ...args], { env: this.env });
  }

  async kill9(): Promise<void> {
    this.process.signal('SIGKILL');
    await this.process.ended;
  }

  /** `kill -9`, and the shipped service again on the same state. */
  async restart(): Promise<void> {
    await this.kill9();
    await this.start();
  }

  /** Ends it as `systemctl stop` would; gives its exit status. */
  async stop(): Promise<number | null> {
    this.process.signal('SIGTERM');
    return (await this.process.ended).code;
  }

  /** What all its lives, libvirtd and QEMU have said. */
  logs(): string {
    const daemon = (name: Daemon) => `--- ${name}\n${lastLines(this.host.path(`logs/${name}.log`), 40)}`;
    return [...this.#lives.map((life, index) => `--- service, life ${index + 1}\n${life.output()}`), daemon('libvirtd')].join('\n');
  }
}

function lastLines(path: string, count: number): string {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(-count).join('\n');
  } catch {
    return '';
  }
}
