/**
 * Lanes: threads that run calls, set apart by how long they may take, so that nothing quick waits behind something slow.
 *
 * | lane  | runs                                            | threads |
 * |-------|-------------------------------------------------|---------|
 * | query | what libvirtd answers without asking QEMU        | 4       |
 * | guest | what needs QEMU or takes long, such as `create`   | 8       |
 * | stats | the bulk read-out, which one hung QEMU can hold up | 4      |
 * | power | `destroy`, the cure for a hung QEMU, and `abort-save` | 4      |
 * | agent | guest agent commands; the guest decides how long  | 4       |
 *
 * In the guest and agent lanes at most one call per domain runs at a time, in order of arrival: a hung QEMU holds one
 * thread, not all. Each thread has a connection of its own (session.h says why). Another library gets a lane of its own.
 *
 * Node's thread only pushes to a list without locks and posts a semaphore: a lock could be held by a worker that has lost
 * its core, and Node would wait for it.
 */
#pragma once
#include "operation.h"
#include "session.h"

#define LANE_QUEUE_LIMIT 10000

struct lanes;

/** Starts all threads; each holds the session until it ends. NULL on failure, with errno set. */
struct lanes *lanes_start(struct session *session);

/** Queues a call and takes it over. Returns 0 or -EAGAIN, then the call stays the caller's. */
int lanes_submit(struct lanes *lanes, struct call *call);

/** Lets the threads end; the last one drops what is queued and frees the lanes. */
void lanes_end(struct lanes *lanes);
