/** The clients of the local socket, beside a service that ends connections whenever it likes. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { call } from '../../appliance/cli/local-call.ts';
import { localSocketPath } from '../../appliance/config.ts';
import { createSocketApi } from '../../appliance/console-screen/api.ts';

test('no request goes out on a connection that the service may be closing just then', async () => {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-socket-'));
  mkdirSync(dirname(localSocketPath(statePath)));
  const wishes: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    wishes.push(request.headers.connection);
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(localSocketPath(statePath), resolve));
  process.env.BOTHY_STATE = statePath;
  const screen = createSocketApi(localSocketPath(statePath), 'tty1');
  for (const ask of [() => call('GET', '/api/v1/tasks'), () => screen.ask('GET', '/tasks')]) {
    await ask();
    await ask();
  }
  assert.equal(wishes, ['close', 'close', 'close', 'close']);
  server.close();
});

test.run();
