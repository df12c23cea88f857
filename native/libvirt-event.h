/** Events of one connection, as JSON lines; and the thread that runs libvirt's event loop for the process. */
#pragma once
#include <libvirt/libvirt.h>
#include <stdbool.h>

#define EVENT_KINDS 9

struct session;

struct event_registration {
    int callbacks[EVENT_KINDS]; /* libvirt's callback id + 1; 0 when not registered */
    int host_devices; /* the same; 0 where libvirt tells nothing of them */
};

/** Starts libvirt's event loop, once per process; must run before the first virConnectOpen. Returns 0 or an errno. */
int start_event_loop(void);

/** Registers for all events of all domains, and of the devices of the host; each registration holds the session. Returns whether all stand. */
bool register_events(virConnectPtr connection, struct session *session, struct event_registration *registration);

void deregister_events(virConnectPtr connection, struct event_registration *registration);
