/** The simulated power of the host: it goes and comes back at once, as when somebody presses the button again. */
import { randomUUID } from 'node:crypto';
import type { Power } from '../../appliance/world.ts';

export interface SimulatedPower extends Power {
  /** The system begins to go down, and stops its services one after another. */
  goDown(): void;
  /** What was asked of the system, in order. */
  readonly asked: ('poweroff' | 'reboot')[];
  /** The power goes and comes back without anybody asking. */
  cut(): void;
  /** The system refuses from now on, with this; `undefined` ends it. */
  refuse(error: Error | undefined): void;
  /** From the acceptance until the machine has gone: until `cut` if true, at once if not. */
  linger(isLingering: boolean): void;
}

export function createSimulatedPower(restart: () => void): SimulatedPower {
  const asked: SimulatedPower['asked'] = [];
  let bootId: string = randomUUID();
  let refusal: Error | undefined;
  let isLingering = false;
  let isGoingDown = false;
  const cut = () => {
    isGoingDown = false;
    bootId = randomUUID();
    restart();
  };
  const obey = async (verb: 'poweroff' | 'reboot') => {
    if (refusal) throw refusal;
    asked.push(verb);
    if (!isLingering) cut();
  };
  return {
    asked, cut,
    refuse: (error) => { refusal = error; },
    linger: (lingers) => { isLingering = lingers; },
    goDown: () => { isGoingDown = true; },
    isGoingDown: async () => isGoingDown,
    bootId: async () => bootId,
    powerOff: () => obey('poweroff'),
    reboot: () => obey('reboot'),
  };
}
