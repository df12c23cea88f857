/**
 * A call and what it can do. An operation is one libvirt request: it reads its arguments, writes its answer as JSON, and
 * decides nothing. The table is in operation.c, the code in libvirt-*.c.
 */
#pragma once
#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdint.h>

#include "json.h"

#define MAX_ARGUMENTS 5

/** Which threads run an operation; see lane.h. */
enum lane_id { LANE_QUERY, LANE_GUEST, LANE_STATS, LANE_POWER, LANE_AGENT, LANE_COUNT };

struct call;

struct operation {
    const char *name;
    enum lane_id lane;
    int argument_count;
    /** Exactly one of the two; `run_on_domain` gets the domain whose UUID is the first argument. */
    void (*run)(struct call *call);
    int (*run_on_domain)(struct call *call, virDomainPtr domain);
};

struct call {
    struct call *next;
    const struct operation *operation;
    uint32_t id;
    int64_t deadline_ms; /* monotonic */
    virConnectPtr connection; /* set while it runs */
    struct json answer; /* what `ok` becomes; `null` when left empty */
    struct json error; /* what `error` becomes; the first failure counts */
    const char *arguments[MAX_ARGUMENTS];
    char bytes[]; /* the arguments' text */
};

/** Parses `operation 0x1f argument ...`. NULL with errno EINVAL or ENOMEM. */
struct call *call_parse(uint32_t id, const uint8_t *bytes, int length);
void call_free(struct call *call);

/** Runs it on `call->connection`. */
void call_run(struct call *call);

/** The whole line for Node. */
void call_print(struct call *call, struct json *line);

/**
 * Records libvirt's last error of this thread. Must come before any other libvirt call: even virDomainFree clears it.
 * Returns -1.
 */
int fail_libvirt(struct call *call);

/** Records an error of our own. Returns -1. */
int fail_with(struct call *call, const char *message, bool is_connected);
