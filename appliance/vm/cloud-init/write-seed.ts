/** A VM's seed before each of its starts: made anew, or gone where it has no settings any more. */
import { rm } from 'node:fs/promises';
import { ToolError } from '../../core/run.ts';
import { Problem } from '../../core/problem.ts';
import { foldersOf } from '../definition/guest.ts';
import type { VmServices } from '../services.ts';
import { seedFiles, seedLabel } from './seed.ts';
import { answerFiles } from './windows/answer.ts';
import { readsAnswers } from './windows/rules.ts';
import { noWindows } from './windows/settings.ts';

export async function writeSeed({ cloudInits, rows, seeds, statePath }: VmServices, vmId: string, signal: AbortSignal): Promise<void> {
  const { seed } = foldersOf(statePath, vmId);
  const row = cloudInits.find(vmId);
  if (!row) return rm(seed, { force: true });
  const { name, hardware: { os } } = rows.require(vmId);
  const files = seedFiles({ vmName: name, instanceId: row.instanceId, settings: row.settings, macs: rows.nics(vmId).map(({ mac }) => mac) });
  const answers = readsAnswers(os) ? answerFiles({ vmId, vmName: name, os, settings: row.settings.windows ?? noWindows }) : {};
  try {
    await seeds.write(seed, { label: seedLabel, files: { ...files, ...answers }, signal });
  } catch (error) {
    throw toldOf(error, name);
  }
}

function toldOf(error: unknown, name: string): unknown {
  if (!(error instanceof ToolError) || error.failure === 'aborted') return error;
  if (error.failure === 'missing') return new Problem('unavailable', `${name} has settings for its first start, and this host lacks what writes them to a disk. Install it (package "mtools"), or remove these settings.`, { cause: error });
  return new Problem('unavailable', `What ${name} is told at its first start could not be written. Look whether the state folder has room.`, { cause: error });
}
