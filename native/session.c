/** See session.h. */
#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt-event.h"
#include "outlet.h"
#include "thread.h"

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 5
#define FIRST_BACKOFF_MS 100
#define LONGEST_BACKOFF_MS 2000

enum state { STATE_CONNECTING, STATE_CONNECTED, STATE_DISCONNECTED };

struct link {
    struct session *session;
    virConnectPtr connection;
    const char *loss; /* why it is no more, a static text; NULL while it stands */
};

struct session {
    pthread_mutex_t lock; /* never held while libvirt runs: its callbacks take it */
    pthread_cond_t changed;
    int references;
    bool is_ending;
    enum state state;
    char *message;
    char *uri;
    struct outlet *outlet;
    struct link links[LINK_COUNT];
    struct event_registration events;
};

struct session *session_hold(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    session->references += 1;
    pthread_mutex_unlock(&session->lock);
    return session;
}

void session_release(void *opaque)
{
    struct session *session = opaque;

    pthread_mutex_lock(&session->lock);
    int left = --session->references;
    pthread_mutex_unlock(&session->lock);
    if (left > 0) return;
    outlet_close(session->outlet);
    pthread_mutex_destroy(&session->lock);
    pthread_cond_destroy(&session->changed);
    free(session->message);
    free(session->uri);
    free(session);
}

bool session_is_ending(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    bool is_ending = session->is_ending;
    pthread_mutex_unlock(&session->lock);
    return is_ending;
}

void session_send(struct session *session, struct json *line)
{
    outlet_send(session->outlet, line);
}

void session_send_event(struct session *session, struct json *line)
{
    outlet_send_event(session->outlet, line);
}

/** Takes the new state; tells Node if state or message differ from what it knows. Owns `message`. */
static void announce(struct session *session, enum state state, char *message)
{
    struct json line = { 0 };

    pthread_mutex_lock(&session->lock);
    bool is_news = state != session->state || strcmp(message, session->message) != 0;
    free(session->message);
    session->message = message;
    session->state = state;
    pthread_cond_broadcast(&session->changed);
    if (is_news) {
        json_raw(&line, "{\"event\":\"connection\",\"state\":\"%s\",\"message\":",
                 state == STATE_CONNECTED ? "connected" : "disconnected");
        json_string(&line, message);
        json_raw(&line, "}");
        outlet_send(session->outlet, &line);
    }
    pthread_mutex_unlock(&session->lock);
}

static char *describe(const char *format, const char *uri, const char *cause)
{
    char *message;

    return asprintf(&message, format, uri, cause) < 0 ? strdup("out of memory") : message;
}

static void mark_lost(struct link *link, const char *cause)
{
    if (!link->loss) link->loss = cause;
    pthread_cond_broadcast(&link->session->changed);
}

static void on_close(virConnectPtr connection, int reason, void *opaque)
{
    static const char *const causes[] = { "input/output error", "libvirtd has ended", "no answer for 25 seconds", "closed" };
    struct link *link = opaque;

    (void)connection;
    pthread_mutex_lock(&link->session->lock);
    mark_lost(link, reason >= 0 && reason < 4 ? causes[reason] : "unknown reason");
    pthread_mutex_unlock(&link->session->lock);
}

static void release_link(void *opaque)
{
    struct link *link = opaque;

    session_release(link->session);
}

void session_report_lost(struct session *session, enum link_id id, virConnectPtr connection)
{
    pthread_mutex_lock(&session->lock);
    if (session->links[id].connection == connection) mark_lost(&session->links[id], "a call found it closed");
    pthread_mutex_unlock(&session->lock);
}

/** Closes a lost connection. Threads that still use it hold their own reference and fail by themselves. */
static void close_link(struct link *link, enum link_id id)
{
    struct session *session = link->session;

    pthread_mutex_lock(&session->lock);
    virConnectPtr connection = link->connection;
    link->connection = NULL;
    link->loss = NULL;
    pthread_mutex_unlock(&session->lock);
    if (!connection) return;
    if (id == LINK_QUERY) deregister_events(connection, &session->events);
    virConnectUnregisterCloseCallback(connection, on_close);
    virConnectClose(connection);
}

/** Opens a connection and registers for what it reports. Returns whether it stands. */
static bool open_link(struct link *link, enum link_id id)
{
    struct session *session = link->session;
    virConnectPtr connection = virConnectOpen(session->uri);

    if (!connection) return false;
    virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
    pthread_mutex_lock(&session->lock);
    link->connection = connection;
    pthread_mutex_unlock(&session->lock);
    session_hold(session);
    if (virConnectRegisterCloseCallback(connection, on_close, link, release_link) < 0) {
        session_release(session);
        return false;
    }
    if (id == LINK_QUERY && !register_events(connection, session, &session->events)) return false;
    return virConnectIsAlive(connection) == 1; /* it may have died before the callback was there */
}

/** Opens what is not open. Returns NULL when all connections stand, else why not (the caller frees it). */
static char *open_links(struct session *session)
{
    for (enum link_id id = 0; id < LINK_COUNT; id++) {
        struct link *link = &session->links[id];
        pthread_mutex_lock(&session->lock);
        bool is_standing = link->connection && !link->loss;
        pthread_mutex_unlock(&session->lock);
        if (is_standing) continue;
        close_link(link, id);
        if (open_link(link, id)) continue;
        char *message = describe("libvirtd does not answer at %s: %s", session->uri, virGetLastErrorMessage());
        close_link(link, id);
        return message;
    }
    return NULL;
}

static void rest(struct session *session, int duration_ms)
{
    int64_t until_ms = monotonic_ms() + duration_ms;
    int waited = 0;

    pthread_mutex_lock(&session->lock);
    while (!session->is_ending && waited == 0) waited = wait_condition(&session->changed, &session->lock, until_ms);
    pthread_mutex_unlock(&session->lock);
}

static const char *find_loss(const struct session *session)
{
    for (int id = 0; id < LINK_COUNT; id++) {
        if (session->links[id].loss) return session->links[id].loss;
    }
    return NULL;
}

/** Waits until a connection is lost and returns why, or NULL when the session ends. */
static const char *wait_for_loss(struct session *session)
{
    const char *loss;

    pthread_mutex_lock(&session->lock);
    while (!(loss = find_loss(session)) && !session->is_ending) wait_condition(&session->changed, &session->lock, 0);
    pthread_mutex_unlock(&session->lock);
    return loss;
}

/** The only thread that changes the session's state, so no stale news can overtake a newer one. */
static void *keep_connected(void *argument)
{
    struct session *session = argument;
    int backoff_ms = FIRST_BACKOFF_MS;

    while (!session_is_ending(session)) {
        char *failure = open_links(session);
        if (failure) {
            announce(session, STATE_DISCONNECTED, failure);
            rest(session, backoff_ms);
            backoff_ms = backoff_ms * 2 < LONGEST_BACKOFF_MS ? backoff_ms * 2 : LONGEST_BACKOFF_MS;
            continue;
        }
        announce(session, STATE_CONNECTED, describe("Connected to libvirtd at %s.%s", session->uri, ""));
        const char *loss = wait_for_loss(session);
        if (loss) announce(session, STATE_DISCONNECTED, describe("The connection to libvirtd at %s was lost: %s.", session->uri, loss));
        backoff_ms = FIRST_BACKOFF_MS;
    }
    for (enum link_id id = 0; id < LINK_COUNT; id++) close_link(&session->links[id], id);
    session_release(session);
    return NULL;
}

virConnectPtr session_borrow(struct session *session, enum link_id id, int64_t deadline_ms, char **message)
{
    struct link *link = &session->links[id];
    virConnectPtr connection = NULL;
    int waited = 0;

    pthread_mutex_lock(&session->lock);
    while (session->state == STATE_CONNECTING && !session->is_ending && waited == 0) {
        waited = wait_condition(&session->changed, &session->lock, deadline_ms);
    }
    if (session->state == STATE_CONNECTED && link->connection && !link->loss) {
        connection = link->connection;
        virConnectRef(connection);
    } else {
        *message = strdup(session->state == STATE_CONNECTED ? "The connection to libvirtd was lost." : session->message);
    }
    pthread_mutex_unlock(&session->lock);
    return connection;
}

void session_end(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    session->is_ending = true;
    pthread_cond_broadcast(&session->changed);
    pthread_mutex_unlock(&session->lock);
}

struct session *session_open(const char *uri, int *read_end)
{
    int failure = start_event_loop();
    struct session *session = failure ? NULL : calloc(1, sizeof *session);

    if (!session) {
        errno = failure ? failure : ENOMEM;
        return NULL;
    }
    *session = (struct session){ .references = 2, .uri = strdup(uri) };
    session->message = describe("Connecting to libvirtd at %s.%s", uri, "");
    pthread_mutex_init(&session->lock, NULL);
    init_condition(&session->changed);
    for (int id = 0; id < LINK_COUNT; id++) session->links[id].session = session;
    session->outlet = outlet_open(read_end);
    failure = session->outlet ? start_thread("bothy-keep", keep_connected, session) : errno;
    if (!failure) return session;
    errno = failure;
    return NULL; /* what little it holds is left: the process has no threads or descriptors left either */
}
