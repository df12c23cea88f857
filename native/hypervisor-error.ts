/**
 * Why the hypervisor refused. Defined here because native/ imports nothing of ours; world.ts hands it on, so that the
 * simulated hypervisor throws the same class.
 */
export type HypervisorErrorKind = 'no-domain' | 'exists' | 'disconnected' | 'timeout' | 'invalid-operation' | 'other';

export class HypervisorError extends Error {
  override readonly name = 'HypervisorError';
  /** libvirt's virErrorNumber; 0 when the error is not libvirt's. */
  readonly code: number;
  readonly kind: HypervisorErrorKind;

  constructor(message: string, code: number, kind: HypervisorErrorKind) {
    super(message);
    this.code = code;
    this.kind = kind;
  }
}
