/** Events by e-mail, through nodemailer over a connection of ours: its address was judged, and it ends when we say so. */
import { createTransport } from 'nodemailer';
import { serverName, trusted } from '../core/outgoing.ts';
import type { Carrier } from './carrier.ts';
import { mailText } from './delivery-rules.ts';

/** A server may think over each answer so long. */
const answerMs = 20_000;

export const carryMail: Carrier = async ({ id, to, batch, host, now, outgoing, signal }) => {
  const target = { host: to.host ?? '', port: to.port };
  const isTls = to.security === 'tls';
  const socket = await outgoing.connect(target, signal, isTls ? { ca: to.ca } : undefined);
  const transport = createTransport({
    ...target, connection: socket, secure: isTls, secured: isTls, requireTLS: to.security === 'starttls', ignoreTLS: to.security === 'none',
    ...(to.user && { auth: { user: to.user, pass: to.password ?? '' } }),
    tls: { ...serverName(target.host), ...trusted({ ca: to.ca }), minVersion: 'TLSv1.2' },
    name: mailName(host), greetingTimeout: answerMs, socketTimeout: answerMs, disableFileAccess: true, disableUrlAccess: true,
  });
  try {
    const last = batch.events.at(-1)?.seq ?? 0;
    await transport.sendMail({
      from: { name: `Bothy ${host}`, address: to.from ?? '' }, to: to.to ?? [], ...mailText(batch, host), date: new Date(now),
      // The same mail once more, after a cut, has the same id: mail servers drop the second.
      messageId: `<${id}.${batch.isTest ? `test-${now}` : last}@${mailName(host)}>`,
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    });
  } finally {
    transport.close();
    socket.destroy();
  }
};

const mailName = (host: string): string => host.replace(/[^A-Za-z0-9.-]/g, '-') || 'bothy';
