/**
 * Memory of simulated guests in files, as libvirt 9.0 with QEMU 7.2 writes and reads them. A file says in its first line whether it is whole; what it holds is what makes a
 * guest the same one: its definition, the keys that it has heard, whether its agent spoke.
 *
 *   save      suspended/paused, then stopped/saved      aborted, or no room: resumed/unpaused, no file
 *   restore   started/restored, suspended/restored; paused until it is resumed
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type Hypervisor, HypervisorError } from '../../appliance/world.ts';
import { enter, type SimulatedDomain } from './guest.ts';
import { lifecycle, nvramOf, refuse, type SimulatedLibvirt } from './libvirt.ts';
import { formatXml } from './xml.ts';

type MemoryCalls = Pick<Hypervisor, 'saveMemory' | 'abortSave' | 'savedXml' | 'restoreMemory'>;

interface Saved {
  xml: string;
  keys: number[][];
  hasAgent: boolean;
  ranMs: number;
  /** What its UEFI firmware remembers is in its memory, too, and goes from there to its file. */
  variables: string | undefined;
  /** Its end, which a file that was cut off has not. */
  end: true;
}

const [begun, whole] = ['begun\n', 'whole\n'];

export function createMemoryCalls(libvirt: SimulatedLibvirt, answering: (uuid: string) => SimulatedDomain): MemoryCalls {
  return {
    async saveMemory(uuid, path) {
      const domain = answering(uuid);
      await holdAndWrite(libvirt, domain, { path, reason: 'save', done: () => libvirt.end(domain, 'saved') });
    },
    async abortSave(uuid) {
      const domain = libvirt.require(uuid);
      if (!domain.abortSave) throw refuse.invalid('no job is active on the domain');
      domain.abortSave();
    },
    savedXml: async (path) => readSaved(path).xml,
    async restoreMemory(_uuid, path, xml) {
      const { keys, hasAgent, ranMs, variables, end } = readSaved(path);
      const domain = libvirt.launch(xml);
      if (!end) {
        libvirt.end(domain, 'failed');
        throw refuse.other('internal error: qemu unexpectedly closed the monitor: load of migration failed: Input/output error', 1);
      }
      enter(domain, 'paused', 'migration', libvirt.clock.now());
      Object.assign(domain, { keys, ranMs });
      const nvram = nvramOf(domain.tree);
      if (nvram !== undefined && variables !== undefined) domain.onRun = () => writeFileSync(nvram, Buffer.from(variables, 'base64'));
      libvirt.emit(lifecycle(domain, 'started', 'restored'));
      libvirt.emit(lifecycle(domain, 'suspended', 'restored'));
      if (hasAgent) libvirt.later(domain, 0, () => libvirt.connectAgent(domain));
    },
  };
}

/** The guest stands still while its memory is written; then `done` says what becomes of it. It goes on where that fails. */
export async function holdAndWrite(libvirt: SimulatedLibvirt, domain: SimulatedDomain, { path, reason, done }: { path: string; reason: 'save' | 'snapshot'; done: () => void }): Promise<void> {
  if (domain.abortSave) throw new HypervisorError('Timed out during operation: cannot acquire state change lock (held by remoteDispatchDomainSaveFlags)', 68, 'timeout');
  const wasRunning = domain.state === 'running';
  const stoodFor = wasRunning ? 'user' : domain.reason;
  const aborting = new AbortController();
  domain.abortSave = () => aborting.abort();
  if (wasRunning) libvirt.pause(domain);
  enter(domain, 'paused', reason, libvirt.clock.now());
  writeFileSync(path, begun);
  await libvirt.clock.sleep(libvirt.behaviourOf(domain).saveMs, aborting.signal).catch(() => {});
  delete domain.abortSave;
  const fault = faultOf(libvirt, domain, { path, isAborted: aborting.signal.aborted });
  if (!fault) {
    const { tree, keys, hasAgent, ranMs } = domain;
    const nvram = nvramOf(tree);
    const variables = nvram === undefined ? undefined : readFileSync(nvram, 'base64');
    writeFileSync(path, `${whole}${JSON.stringify({ xml: formatXml(tree).replaceAll(" state='connected'", ''), keys, hasAgent, ranMs, variables, end: true } satisfies Saved)}`);
    enter(domain, 'paused', stoodFor, libvirt.clock.now());
    return done();
  }
  rmSync(path, { force: true });
  enter(domain, 'paused', stoodFor, libvirt.clock.now());
  if (wasRunning && libvirt.domains().includes(domain)) libvirt.run(domain, 'unpaused');
  throw fault;
}

function faultOf(libvirt: SimulatedLibvirt, domain: SimulatedDomain, { path, isAborted }: { path: string; isAborted: boolean }): HypervisorError | undefined {
  if (!libvirt.domains().includes(domain)) return refuse.other('operation failed: domain is not running', 9);
  if (isAborted) return refuse.other(`operation aborted: job 'domain save' canceled by client`, 78);
  if ([...libvirt.badFolders.keys()].some((folder) => path.startsWith(folder))) return refuse.other(`operation failed: job 'domain save' failed: unable to write: No space left on device`, 9);
  return undefined;
}

function readSaved(path: string): Saved {
  if (!existsSync(path)) throw refuse.other(`Failed to open file '${path}': No such file or directory`, 38);
  const text = readFileSync(path, 'utf8');
  if (text.startsWith(begun)) throw refuse.other('operation failed: save image is incomplete', 9);
  if (!text.startsWith(whole)) throw refuse.other('operation failed: failed to read qemu header', 9);
  try {
    return JSON.parse(text.slice(whole.length)) as Saved; // written by holdAndWrite
  } catch {
    return { xml: JSON.parse(/"xml":("(?:[^"\\]|\\.)*")/.exec(text)?.[1] ?? '""') as string, keys: [], hasAgent: false, ranMs: 0, variables: undefined, end: false as true };
  }
}
