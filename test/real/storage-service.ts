/**
 * A program: the storage slice on the real qemu-img behind a real HTTP server, its state in the folder of its argument. Prints
 * its address. Everybody who reaches it is root, so it listens on loopback only. Started, and killed, by storage-http.test.ts.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { createActivity } from '../../appliance/activity/activity.ts';
import { createAuth } from '../../appliance/auth/auth.ts';
import { createHttp } from '../../appliance/http.ts';
import { createDiskSpace } from '../../appliance/storage/disk-space.ts';
import { createQemuImg } from '../../appliance/storage/qemu-img.ts';
import { createStorage } from '../../appliance/storage/storage.ts';
import { openTestCore } from '../world/core.ts';
import { loopbackOnly } from '../world/outgoing.ts';

const core = openTestCore({ statePath: process.argv[2] ?? '' });
const activity = createActivity({ ...core, world: { outgoing: loopbackOnly } });
const storage = createStorage({ ...core, world: { imageTool: createQemuImg(), disk: createDiskSpace() }, activity });
const auth = createAuth(core);
const http = createHttp({
  core, auth, operations: [...activity.operations, ...storage.operations], pages: [], version: '0', isSecure: false,
  audit: () => {}, health: async () => ({ isHealthy: true }), metrics: async () => '',
});
core.tasks.resume();
void core.reconcilers.start(new AbortController().signal);
const server = createServer(getRequestListener(http('local').fetch));
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // a TCP server's address
  console.log(`http://127.0.0.1:${port}/api/v1`);
});
