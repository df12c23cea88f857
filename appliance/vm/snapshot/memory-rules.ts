/** Whether a VM can have a snapshot with its memory now, and whether one can be gone back to. Pure. */

export interface MemoryStanding {
  name: string;
  state: string;
  reason: string;
  /** Of the guest that runs. */
  tpm: string;
  /** Devices of the host that are passed through to the guest that runs. */
  passedThrough: readonly string[];
  /** Disks of the VM, and those that its guest has. */
  disks: readonly string[];
  pluggedDisks: readonly string[];
}

/** Why not, with what to do; `undefined` when it can. */
export function memoryFault({ name, state, reason, tpm, passedThrough, disks, pluggedDisks }: MemoryStanding): string | undefined {
  if (state !== 'up' && state !== 'paused') return `${name} does not run, so there is no memory to keep. Take the snapshot without it.`;
  if (state === 'paused' && reason !== 'user') return `${name} stands still because something went wrong. Resume it first, or take the snapshot without its memory.`;
  if (tpm !== 'none') return `${name} has a TPM: going back would give that its old keys, and what the guest has made since would be lost even if that is undone. Take the snapshot without its memory.`;
  if (passedThrough.length > 0) return `${name} has devices of the host (${passedThrough.join(', ')}), whose state nobody can write down. Take them out first, or take the snapshot without its memory.`;
  if (disks.length === 0) return `${name} has no disks, so there is nothing that a snapshot could go back to. Suspend it instead.`;
  if (disks.some((disk) => !pluggedDisks.includes(disk))) return `${name} has a disk that its guest does not have yet. Start it anew, or take the snapshot without its memory.`;
  if (pluggedDisks.some((disk) => !disks.includes(disk))) return `The guest of ${name} has not let go of a disk that was detached. Wait for that, or take the snapshot without its memory.`;
  return undefined;
}
