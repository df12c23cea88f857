/** What carries events to one kind of receiver: it resolves when they were taken, as far as that kind tells. */
import type { Outgoing } from '../core/outgoing.ts';
import type { Batch } from './delivery-rules.ts';
import type { DestinationSecrets, resolved } from './destination-rules.ts';

export interface Delivery {
  /** Of the destination; what says that two deliveries are one. */
  id: string;
  to: ReturnType<typeof resolved> & DestinationSecrets;
  batch: Batch;
  /** This machine's name. */
  host: string;
  now: number;
  outgoing: Outgoing;
  signal: AbortSignal;
}

export type Carrier = (delivery: Delivery) => Promise<void>;
