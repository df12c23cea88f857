/**
 * wdmd, which shares the machine's watchdog with sanlock: one connection, spoken to by one thread of its own, because its daemon may
 * be as slow as the machine is sick. The library is loaded when it is first needed, so that a host without it still has the rest.
 *
 * wdmd never forgets a client that goes away while it has promised a next sign of life: then the machine is reset, whoever comes
 * after. So that a crash of this process alone does not do that, the connection is left with systemd (its file descriptor store),
 * and the next life of the service goes on with it.
 *
 * The thread does nothing by itself: each sign of life is one call of Node's, with the time that Node gives.
 *
 *     connect SECONDS KEPT    the device fires SECONDS after its last sign of life; KEPT is a descriptor from systemd or -1
 *                             -> {"fireSeconds":60,"testSeconds":10}
 *     live NOW UNTIL          monotonic seconds: well at NOW, which counts until UNTIL
 *     release                 nothing of ours resets the machine any more
 *
 * The four functions are those of bothy.h, with lines of the same form.
 */
#pragma once
#include <stdint.h>

#include "bothy.h"

BOTHY_API int bothy_watchdog_open(const char *unused);
BOTHY_API int bothy_watchdog_output(int handle);
BOTHY_API int bothy_watchdog_submit(int handle, uint32_t id, int deadline_ms, const uint8_t *bytes, int length);

/** Ends the thread and leaves the connection as it is: a promise stays a promise. */
BOTHY_API int bothy_watchdog_close(int handle);
