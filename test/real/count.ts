/**
 * Counts the cases that a real part took part in, so that a test which quietly stops using it is noticed.
 *
 * A case says `real('libvirt')` after the part has really answered. When the file ends it prints one line such as
 * `real-cases {"libvirt":3,"qemu":1}`, which test/run.ts adds up and compares with test/floor.json. `qemu` means
 * that guest code ran, not only that a process started. Called by the tests in test/real and test/contract.
 */
export type RealPart = 'libvirt' | 'qemu' | 'qemu-img' | 'browser' | 'wdmd' | 'mtools' | 'lab';

const cases = new Map<RealPart, number>();

/** Once per case, naming each part once. */
export function real(...parts: RealPart[]): void {
  if (cases.size === 0) process.once('exit', () => console.log(`real-cases ${JSON.stringify(Object.fromEntries(cases))}`));
  for (const part of parts) cases.set(part, (cases.get(part) ?? 0) + 1);
}
