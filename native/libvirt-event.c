/**
 * Events of domains, and of the devices of the host. libvirt calls these back in the event loop's thread; each becomes one line
 * `{"event":"<type>","uuid":"...",...}` with libvirt's own numbers, which libvirt-names.ts turns into words.
 */
#include "libvirt-event.h"

#include <errno.h>
#include <libvirt/virterror.h>

#include "session.h"
#include "thread.h"

static void begin(struct json *line, const char *event, virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";

    virDomainGetUUIDString(domain, uuid);
    json_raw(line, "{\"event\":\"%s\",\"uuid\":\"%s\"", event, uuid);
}

static void add_text(struct json *line, const char *key, const char *value)
{
    json_raw(line, ",\"%s\":", key);
    json_string(line, value);
}

static void send(struct session *session, struct json *line)
{
    json_raw(line, "}");
    session_send_event(session, line);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *session)
{
    struct json line = { 0 };

    (void)connection;
    begin(&line, "lifecycle", domain);
    add_text(&line, "name", virDomainGetName(domain));
    json_raw(&line, ",\"change\":%d,\"detail\":%d", event, detail);
    send(session, &line);
    return 0;
}

static void on_reboot(virConnectPtr connection, virDomainPtr domain, void *session)
{
    struct json line = { 0 };

    (void)connection;
    begin(&line, "reboot", domain);
    send(session, &line);
}

static void on_watchdog(virConnectPtr connection, virDomainPtr domain, int action, void *session)
{
    struct json line = { 0 };

    (void)connection;
    begin(&line, "watchdog", domain);
    json_raw(&line, ",\"action\":%d", action);
    send(session, &line);
}

static void on_io_error(virConnectPtr connection, virDomainPtr domain, const char *path, const char *alias, int action,
                        const char *reason, void *session)
{
    struct json line = { 0 };

    (void)connection;
    begin(&line, "io-error", domain);
    add_text(&line, "path", path);
    add_text(&line, "alias", alias);
    json_raw(&line, ",\"action\":%d", action);
    add_text(&line, "reason", reason);
    send(session, &line);
}

static void on_tray(virConnectPtr connection, virDomainPtr domain, const char *alias, int reason, void *session)
{
    struct json line = { 0 };

    (void)connection;
    begin(&line, "tray", domain);
    add_text(&line, "alias", alias);
    json_raw(&line, ",\"change\":%d", reason);
    send(session, &line);
}

static void on_device_removed(virConnectPtr connection, virDomainPtr domain, const char *alias, void *session)
{
    struct json line = { 0 };

    (void)connection;
    begin(&line, "device-removed", domain);
    add_text(&line, "alias", alias);
    send(session, &line);
}

static void on_agent(virConnectPtr connection, virDomainPtr domain, int state, int reason, void *session)
{
    struct json line = { 0 };

    (void)connection;
    (void)reason;
    begin(&line, "agent", domain);
    json_raw(&line, ",\"state\":%d", state);
    send(session, &line);
}

static void on_block_threshold(virConnectPtr connection, virDomainPtr domain, const char *device, const char *path,
                               unsigned long long threshold, unsigned long long excess, void *session)
{
    struct json line = { 0 };

    (void)connection;
    begin(&line, "block-threshold", domain);
    add_text(&line, "device", device);
    add_text(&line, "path", path);
    json_raw(&line, ",\"thresholdBytes\":%llu,\"excessBytes\":%llu", threshold, excess);
    send(session, &line);
}

static void on_block_job(virConnectPtr connection, virDomainPtr domain, const char *target, int type, int status, void *session)
{
    struct json line = { 0 };

    (void)connection;
    (void)type;
    begin(&line, "block-job", domain);
    add_text(&line, "target", target);
    json_raw(&line, ",\"status\":%d", status);
    send(session, &line);
}

static void on_host_device(virConnectPtr connection, virNodeDevicePtr device, int change, int detail, void *session)
{
    struct json line = { 0 };

    (void)connection;
    (void)detail;
    json_raw(&line, "{\"event\":\"host-device\"");
    add_text(&line, "name", virNodeDeviceGetName(device));
    json_raw(&line, ",\"change\":%d", change);
    send(session, &line);
}

/** A libvirt without node devices, as in some containers, has all the rest. */
static bool register_host_devices(virConnectPtr connection, struct session *session, struct event_registration *registration)
{
    session_hold(session);
    int id = virConnectNodeDeviceEventRegisterAny(connection, NULL, VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
                                                  VIR_NODE_DEVICE_EVENT_CALLBACK(on_host_device), session, session_release);
    if (id < 0) session_release(session);
    registration->host_devices = id + 1;
    return id >= 0 || virGetLastErrorCode() == VIR_ERR_NO_SUPPORT;
}

static const struct {
    int id;
    virConnectDomainEventGenericCallback callback;
} kinds[] = {
    { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
    { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot) },
    { VIR_DOMAIN_EVENT_ID_WATCHDOG, VIR_DOMAIN_EVENT_CALLBACK(on_watchdog) },
    { VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK(on_io_error) },
    { VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_tray) },
    { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device_removed) },
    { VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent) },
    { VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD, VIR_DOMAIN_EVENT_CALLBACK(on_block_threshold) },
    { VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, VIR_DOMAIN_EVENT_CALLBACK(on_block_job) },
};
_Static_assert(sizeof kinds / sizeof kinds[0] == EVENT_KINDS, "one callback id for each kind");

bool register_events(virConnectPtr connection, struct session *session, struct event_registration *registration)
{
    for (int i = 0; i < EVENT_KINDS; i++) {
        session_hold(session);
        int id = virConnectDomainEventRegisterAny(connection, NULL, kinds[i].id, kinds[i].callback, session, session_release);
        if (id < 0) {
            session_release(session);
            return false;
        }
        registration->callbacks[i] = id + 1;
    }
    return register_host_devices(connection, session, registration);
}

void deregister_events(virConnectPtr connection, struct event_registration *registration)
{
    for (int i = 0; i < EVENT_KINDS; i++) {
        if (registration->callbacks[i]) virConnectDomainEventDeregisterAny(connection, registration->callbacks[i] - 1);
        registration->callbacks[i] = 0;
    }
    if (registration->host_devices > 0) virConnectNodeDeviceEventDeregisterAny(connection, registration->host_devices - 1);
    registration->host_devices = 0;
}

static void *run_event_loop(void *unused)
{
    (void)unused;
    for (;;) virEventRunDefaultImpl();
    return NULL;
}

/** libvirt prints errors by itself unless told otherwise. */
static void ignore_error(void *unused, virErrorPtr error)
{
    (void)unused;
    (void)error;
}

int start_event_loop(void)
{
    static bool is_running; /* only Node's main thread comes here */

    if (is_running) return 0;
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) return EIO;
    virSetErrorFunc(NULL, ignore_error);
    int failure = start_thread("bothy-events", run_event_loop, NULL);
    is_running = failure == 0;
    return failure;
}
