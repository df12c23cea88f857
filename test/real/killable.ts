/**
 * The service with tasks that stand still at an instant of the test's choice, to be killed there.
 *
 * As `main.ts`, but with a probe. BOTHY_TEST_HOLD names cases and their kind of task, such as `{"create":"disk.create"}`. The
 * task of that kind about the thing `create-7` never goes on from its 7th instant (before, after, and after the mark of
 * each step; in the undoing after each step) and `held create-7 ...` is printed. `create-0` and all others run through.
 * So one kill hits many tasks, each at an instant of its own. Run by service-kill.test.ts.
 */
import { type App, createApp } from '../../appliance/app.ts';
import { readConfig } from '../../appliance/config.ts';
import { createLog } from '../../appliance/core/log.ts';
import type { TaskProbe } from '../../appliance/core/task.ts';
import { realWorld } from '../../appliance/real-world.ts';
import { serve } from '../../appliance/server.ts';

const kinds = new Map<string, string>(Object.entries(JSON.parse(process.env['BOTHY_TEST_HOLD'] ?? '{}')));
const instants = new Map<string, number>();

const probe: TaskProbe = {
  async at({ task, kind, step, when }) {
    const subject = app.core.tasks.get(task)?.about[0]?.name ?? '';
    const [, name = '', number] = /^([a-z-]+)-(\d+)(?:\.iso|:1|(?:-1)?-disk1)?$/.exec(subject) ?? [];
    if (kinds.get(name) !== kind) return;
    const instant = (instants.get(subject) ?? 0) + 1;
    instants.set(subject, instant);
    if (instant !== Number(number)) return;
    console.log(`held ${subject} ${when} "${step}"`);
    await new Promise(() => {});
  },
};

const config = readConfig(process.env);
const log = createLog((line) => process.stderr.write(`${line}\n`), config.logLevel);
const app: App = createApp({ config, log, world: realWorld(config), probe });
const { signal } = new AbortController();
void app.start(signal);
await serve({ config, log, network: app.http('network'), local: app.http('local'), openConsole: app.openConsole, certificates: app.certificates }, signal, (url) => {
  console.log(`Bothy is ready: ${url}`);
  console.log(`Set-up code: ${app.setupCode()}`);
});
