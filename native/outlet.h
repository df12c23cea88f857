/**
 * The one way out: a queue of lines and a thread that writes them to the pipe in order.
 *
 * Answers and connection changes are never dropped: callers bound them. Domain events are: when `EVENT_LIMIT` of them
 * wait because Node does not read, further ones are counted out and, once the waiting ones are written, one
 * `{"event":"resync"}` tells the reader to read every fact anew.
 */
#pragma once
#include <stdbool.h>

#include "json.h"

#define EVENT_LIMIT 4096

struct outlet;

/** Starts the writer on a new pipe; `*read_end` is the caller's. NULL on failure, with errno set. */
struct outlet *outlet_open(int *read_end);

/** Queues the line and empties `line`. A broken line (no memory) is lost: its caller's deadline tells. */
void outlet_send(struct outlet *outlet, struct json *line);

/** The same for an event that may be dropped. */
void outlet_send_event(struct outlet *outlet, struct json *line);

/** Ends the writer and frees everything; nobody may send any more. Does not wait for the reader. */
void outlet_close(struct outlet *outlet);
