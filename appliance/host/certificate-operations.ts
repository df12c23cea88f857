/** The verbs of the certificate that browsers are shown. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { certificateFacts, pairFaults } from './certificate.ts';
import type { Certificates } from './certificates.ts';
import { CertificateInput, CertificateOutput, HostRef } from './schema.ts';

export interface CertificateServices extends Core {
  certificates: Certificates;
  requireHere(host: string): Promise<void>;
}

function show({ certificates }: CertificateServices): z.input<typeof CertificateOutput> {
  const pair = certificates.current();
  return pair ? { isOwn: pair.isOwn, chain: pair.chain, ...certificateFacts(pair.chain) } : null;
}

const Ref = z.object({ host: HostRef });

export const certificateGet = read<CertificateServices>()({
  id: 'host.certificate', method: 'GET', path: '/hosts/{host}/certificate', permission: 'host.read', summary: 'Show the certificate that browsers are shown',
  input: Ref, output: CertificateOutput,
  async run(services, _call, { host }) {
    await services.requireHere(host);
    return show(services);
  },
});

export const certificateSet = write<CertificateServices>()({
  id: 'host.set-certificate', method: 'PUT', path: '/hosts/{host}/certificate', permission: 'host.edit', status: 200, summary: 'Give this machine a certificate',
  input: CertificateInput, output: CertificateOutput,
  async prepare(services, _call, { host, chain, key }) {
    await services.requireHere(host);
    const errors = pairFaults({ chain, key }, services.clock.now());
    if (errors.length > 0) throw new Problem('invalid-input', errors.map(({ message }) => message).join(' '), { errors });
  },
  run(services, tx, { chain, key }) {
    services.certificates.give(tx, { chain, key });
    return show(services);
  },
});

export const certificateReset = write<CertificateServices>()({
  id: 'host.reset-certificate', method: 'DELETE', path: '/hosts/{host}/certificate', permission: 'host.edit', status: 200,
  summary: 'Make a new certificate and key of its own, in place of any other',
  input: Ref, output: CertificateOutput,
  async prepare(services, _call, { host }) {
    await services.requireHere(host);
    return services.certificates.makeOwn();
  },
  run(services, tx, _input, pair) {
    services.certificates.give(tx, null);
    services.certificates.keepOwn(tx, pair);
    return show(services);
  },
});

export const certificateOperations = [certificateGet, certificateSet, certificateReset];
