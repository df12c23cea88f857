/** The settings of the order in which VMs start with the host, for the schemas of VMs. */
import * as z from 'zod';
import { refSchema } from '../../core/id.ts';
import { healthProbePattern, usualStartup } from './startup-rules.ts';

const Tier = z.int().min(1, 'From 1 to 3.').max(3, 'From 1 to 3.').meta({ label: 'Tier', help: '1 starts first, 3 last. A tier begins when those before it are up and healthy. They shut down the other way round.' });
const StartOrder = z.int().min(0).max(999).meta({ label: 'Place within its tier', help: 'Lower numbers start first, equal ones together.' });
const StartDelay = z.int().min(0).max(3600, 'At most an hour.').meta({ label: 'Pause after it', unit: 's', help: 'Seconds that those who wait for it give it once it is up and healthy.' });
const StartAfter = z.array(refSchema).max(32).meta({ label: 'Starts after', widget: 'set', help: 'Machines that it needs. It waits until they are up and healthy.' });
const HealthProbe = z.string().trim().max(300)
  .refine((text) => healthProbePattern.test(text) && Number(/(\d+)$/.exec(text)?.[1] ?? 1) >= 1 && Number(/(\d+)$/.exec(text)?.[1] ?? 1) <= 65535, 'Empty, agent, tcp:PORT or tcp:HOST:PORT.')
  .meta({ label: 'Healthy when', help: 'Empty: as soon as it runs. agent: when its guest agent answers. tcp:5432: when that port takes a connection, at an address that the guest agent tells; tcp:db.lan:5432: at that host.' });

export const startupInput = {
  tier: Tier.default(usualStartup.tier),
  startOrder: StartOrder.default(usualStartup.startOrder),
  startDelaySeconds: StartDelay.default(usualStartup.startDelaySeconds),
  startAfter: StartAfter.default([]),
  healthProbe: HealthProbe.default(usualStartup.healthProbe),
};

export const startupChanges = {
  tier: Tier.optional(), startOrder: StartOrder.optional(), startDelaySeconds: StartDelay.optional(), startAfter: StartAfter.optional(), healthProbe: HealthProbe.optional(),
};

/** `startAfter` by names. */
export const startupOutput = { tier: z.int(), startOrder: z.int(), startDelaySeconds: z.int(), startAfter: z.array(z.string()), healthProbe: z.string() };
