/**
 * A session: one libvirt URI, the connection that events come through, and the thread that keeps it open.
 *
 * That connection alone decides the state. When it is lost the keeper opens it again: at once, then after 100 ms,
 * doubling up to 2 s. Every worker (lane.c) has a connection of its own besides: threads that share one can miss each
 * other's wake-up (libvirt 9.0), and libvirt stops reading from a connection on which five calls hang.
 *
 *     connecting -> connected <-> disconnected        "connecting" only until the first attempt has an outcome
 *
 * Reference counted: bothy_open's caller, every thread and every libvirt callback hold the session; the last one frees it.
 */
#pragma once
#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdint.h>

#include "json.h"

struct session;

/** Starts a session with one reference for the caller; `*read_end` is the pipe. NULL on failure, with errno set. */
struct session *session_open(const char *uri, int *read_end);

/** Tells the keeper to end; gives back no reference. */
void session_end(struct session *session);

struct session *session_hold(struct session *session);
void session_release(void *session);

/**
 * NULL when connected, else why not (the caller frees it). Waits while the first attempt to connect runs, at most until
 * `deadline_ms` on the monotonic clock.
 */
char *session_obstacle(struct session *session, int64_t deadline_ms);

/** A new connection with keepalive, or NULL with libvirt's error set. Blocks as long as libvirtd does. */
virConnectPtr session_connect(struct session *session);

/** Queues a line for Node and empties it. An event may be dropped (outlet.h). */
void session_send(struct session *session, struct json *line);
void session_send_event(struct session *session, struct json *line);
