/** Names are looked up and judged before anything is sent: a connection uses the very addresses that were judged, never a second answer. */
import { lookup as lookUpName } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { addressFault } from './address.ts';

const ownAddresses = () => Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);

/** Why nothing may be asked of `address`, a whole sentence; `undefined` when it may. */
export const ownFault = (address: string): string | undefined => addressFault(address, ownAddresses());

/** Refuses a name when any of its addresses is refused. */
export function judgedLookup(refuse: (address: string) => Error | undefined): LookupFunction {
  return (name, options, callback) => {
    lookUpName(name, { ...options, all: true }, (error, addresses) => {
      const fault = error ?? addresses.map(({ address }) => refuse(address)).find(Boolean);
      const [first] = addresses ?? [];
      if (fault || !first) callback(fault ?? new Error(`${name} has no address`), '', 0);
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
