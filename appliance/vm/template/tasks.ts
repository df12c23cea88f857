/**
 * The long verbs of templates.
 *
 *   template.create   copy each disk into an image -> what makes its system that one is taken out, where wished -> the images are frozen and the
 *                     template is ready                                                                   failed: nothing is left of it
 *   template.delete   delete the images -> the template is gone                                           failed: it waits, as broken, to be deleted again
 */
import * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { exclusive } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask, type Outcome, type StepContext } from '../../core/task.ts';
import { findDomain, persist } from '../domain.ts';
import { holderOfTemplate } from '../firmware/variables.ts';
import type { VmServices } from '../services.ts';

const hour = 3_600_000;

const createInput = z.object({
  template: z.string(), vm: z.string(),
  /** False where it is made from a snapshot, whose layers nobody writes to. */
  mustBeDown: z.boolean(),
  generalise: z.boolean(),
  images: z.array(z.object({ image: z.string(), from: z.string(), volume: z.string() })),
});
type CreateInput = z.output<typeof createInput>;
type Nothing = Record<string, never>;
type Context = StepContext<CreateInput, Nothing>;

export function templateTasks(services: VmServices): AnyTask[] {
  return [createTask(services), deleteTask(services)];
}

function createTask(services: VmServices): AnyTask {
  const { storage } = services;
  return defineTask<CreateInput>({
    kind: 'template.create', input: createInput, canCancel: true,
    // Against starts, and against merges below what is read.
    locks: ({ vm, mustBeDown, images }) => [...(mustBeDown ? [exclusive('vm', vm)] : []), ...images.flatMap(({ image, from }) => [exclusive('image', image), exclusive('image', from)])],
    steps: [
      { name: 'Make sure that it is down', timeoutMs: 60_000, do: (context) => requireDown(services, context) },
      {
        // One step with what changes the copies: one that was cut short is no system any more, so they are made anew.
        name: 'Copy the disks', timeoutMs: 14 * hour,
        async do(context) {
          await copyDisks(services, context);
          if (context.input.generalise) await generalise(services, context);
        },
        async undo({ input: { images } }) {
          for (const { image } of images) await storage.templates.drop(image);
        },
      },
    ],
    finished: (tx, outcome) => endCreate(services, tx, outcome),
  });
}

async function requireDown(services: VmServices, { input, signal }: Context): Promise<void> {
  if (!input.mustBeDown) return;
  await persist(services, 'The VM cannot be seen', signal, async () => {
    if (await findDomain(services, input.vm)) throw new Problem('wrong-state', 'The VM still runs. Shut it down, then try again.');
  });
}

async function copyDisks({ storage }: VmServices, { input: { images, generalise: staysOpen }, signal, progress }: Context): Promise<void> {
  const share = staysOpen ? 0.5 : 1;
  for (const [index, { image, from, volume }] of images.entries()) {
    await storage.templates.fill(image, { from, volume, staysOpen, signal, progress: (fraction) => progress((share * (index + fraction)) / images.length) });
  }
}

/** A system may lie on several disks, so it gets all of them at once. */
async function generalise({ storage, generaliser, host }: VmServices, { input: { images }, signal, progress }: Context): Promise<void> {
  const accelerator = await host.accelerator();
  await generaliser.generalise(images.map(({ image }) => storage.templates.file(image)), { accelerator, signal, progress: (fraction) => progress(0.5 + fraction / 2, 'Generalising the system') });
  for (const { image } of images) await storage.templates.close(image);
}

function endCreate({ storage, templates, variables }: VmServices, tx: Tx, { state, input }: Outcome<CreateInput, Nothing>): void {
  for (const { image, from } of input.images) {
    storage.layers.unlock(tx, from);
    if (state === 'done') storage.templates.freeze(tx, image);
    else storage.templates.forget(tx, image);
  }
  const template = templates.find(input.template);
  if (!template) return;
  if (state === 'done') templates.update(tx, template, { state: 'ok' });
  else {
    variables.drop(tx, holderOfTemplate(template.id));
    templates.remove(tx, template);
  }
}

const deleteInput = z.object({ template: z.string(), images: z.array(z.string()) });

function deleteTask({ storage, templates, variables }: VmServices): AnyTask {
  return defineTask<z.output<typeof deleteInput>>({
    kind: 'template.delete', input: deleteInput, canCancel: false,
    locks: ({ images }) => images.map((image) => exclusive('image', image)),
    steps: [{
      name: 'Delete the images', timeoutMs: hour,
      async do({ input: { images } }) {
        for (const image of images) await storage.templates.drop(image);
      },
    }],
    finished(tx, { state, input }) {
      const template = templates.find(input.template);
      if (!template) return;
      if (state !== 'done') return void templates.update(tx, template, { state: 'broken' });
      for (const image of input.images) storage.templates.forget(tx, image);
      variables.drop(tx, holderOfTemplate(template.id));
      templates.remove(tx, template);
    },
  });
}
