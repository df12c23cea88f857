/**
 * A session: one libvirt URI, its connections, and the thread that keeps them open.
 *
 * libvirt serves at most five calls at a time per connection and then stops reading from it, so work that may hang gets
 * connections of its own (`enum link_id`), each used by at most four threads. The keeper thread opens them all, waits
 * until one is lost, and opens it again: at once, then after 100 ms, doubling up to 2 s.
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

enum link_id { LINK_QUERY, LINK_GUEST_A, LINK_GUEST_B, LINK_STATS, LINK_POWER, LINK_AGENT, LINK_COUNT };

struct session;

/** Starts a session with one reference for the caller; `*read_end` is the pipe. NULL on failure, with errno set. */
struct session *session_open(const char *uri, int *read_end);

/** Tells every thread to end; gives back no reference. */
void session_end(struct session *session);

struct session *session_hold(struct session *session);
void session_release(void *session);

bool session_is_ending(struct session *session);

/**
 * A connection, referenced for the caller (virConnectClose gives it back). Waits while the first attempt to connect
 * runs, at most until `deadline_ms`. NULL when there is none; `*message` (the caller frees it) then says why.
 */
virConnectPtr session_borrow(struct session *session, enum link_id id, int64_t deadline_ms, char **message);

/** Tells the keeper that a call has found the connection dead. */
void session_report_lost(struct session *session, enum link_id id, virConnectPtr connection);

/** Queues a line for Node and empties it. */
void session_send(struct session *session, struct json *line);
void session_send_event(struct session *session, struct json *line);
