/** Waits until a fresh test appliance has its storage domains and networks, which its reconcilers make in the background. */
import type { TestApp } from './app.ts';

export async function untilReady({ send, app }: TestApp): Promise<void> {
  const isReady = async () => {
    const domains = (await send<{ items: { status: string }[] }>('GET', '/api/v1/storage-domains')).body.items;
    const networks = (await send<{ items: { state: string }[] }>('GET', '/api/v1/networks')).body.items;
    return domains.length >= 2 && domains.every(({ status }) => status === 'active') && networks.some(({ state }) => state === 'active');
  };
  while (!(await isReady())) await app.core.clock.sleep(10);
}
