/**
 * Events as JSON to a web server, signed: `Bothy-Signature: t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of `SECONDS.BODY` with the
 * signing key. The receiver compares it, and that SECONDS is of now, so that nobody can send it again. `Bothy-Delivery` is the same when a
 * delivery is repeated.
 */
import { createHmac } from 'node:crypto';
import type { Carrier } from './carrier.ts';
import { statusFault } from './delivery-faults.ts';
import { webhookBody } from './delivery-rules.ts';
import { receiverOf } from './destination-rules.ts';

export function signature(signingKey: string, seconds: number, body: string): string {
  return `t=${seconds},v1=${createHmac('sha256', signingKey).update(`${seconds}.${body}`).digest('hex')}`;
}

export const carryWebhook: Carrier = async ({ id, to, batch, host, now, outgoing, signal }) => {
  const body = webhookBody(batch, host, now);
  const last = batch.events.at(-1)?.seq ?? 0;
  const { status } = await outgoing.post({
    url: to.url ?? '', ca: to.ca, body,
    headers: {
      'content-type': 'application/json',
      'bothy-signature': signature(to.signingKey ?? '', Math.floor(now / 1000), body),
      'bothy-delivery': `${id}.${batch.isTest ? `test-${now}` : last}`,
      ...(to.bearer && { authorization: `Bearer ${to.bearer}` }),
    },
  }, signal);
  const fault = statusFault(status, receiverOf(to));
  if (fault) throw fault;
};
