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

struct session {
    pthread_mutex_t lock; /* never held while libvirt runs: its callbacks take it */
    pthread_cond_t changed;
    int references;
    bool is_ending;
    enum state state;
    char *message;
    const char *loss; /* why the connection is no more, a static text; NULL while it stands */
    char *uri;
    struct outlet *outlet;
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

void session_send(struct session *session, struct json *line)
{
    outlet_send(session->outlet, line);
}

void session_send_event(struct session *session, struct json *line)
{
    outlet_send_event(session->outlet, line);
}

virConnectPtr session_connect(struct session *session)
{
    virConnectPtr connection = virConnectOpen(session->uri);

    if (connection) virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
    return connection;
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
    pthread_mutex_unlock(&session->lock);
    if (!is_news) return;
    json_raw(&line, "{\"event\":\"connection\",\"state\":\"%s\",\"message\":",
             state == STATE_CONNECTED ? "connected" : "disconnected");
    json_string(&line, session->message); /* only this thread changes it */
    json_raw(&line, "}");
    outlet_send(session->outlet, &line);
}

static char *describe(const char *format, const char *uri, const char *cause)
{
    char *message;

    return asprintf(&message, format, uri, cause) < 0 ? strdup("out of memory") : message;
}

static void on_close(virConnectPtr connection, int reason, void *opaque)
{
    static const char *const causes[] = { "input/output error", "libvirtd has ended", "no answer for 25 seconds", "closed" };
    struct session *session = opaque;

    (void)connection;
    pthread_mutex_lock(&session->lock);
    session->loss = reason >= 0 && reason < 4 ? causes[reason] : "unknown reason";
    pthread_cond_broadcast(&session->changed);
    pthread_mutex_unlock(&session->lock);
}

static void close_connection(virConnectPtr connection, struct event_registration *events)
{
    deregister_events(connection, events);
    virConnectUnregisterCloseCallback(connection, on_close);
    virConnectClose(connection);
}

/** Opens the connection and registers for what it reports. NULL on failure; `*failure` then says why (the caller frees it). */
static virConnectPtr open_connection(struct session *session, struct event_registration *events, char **failure)
{
    virConnectPtr connection = session_connect(session);
    bool is_standing = false;

    if (connection) {
        session->loss = NULL; /* no callback is registered yet */
        session_hold(session);
        if (virConnectRegisterCloseCallback(connection, on_close, session, session_release) < 0) session_release(session);
        else is_standing = register_events(connection, session, events);
    }
    if (is_standing && virConnectIsAlive(connection) == 1) return connection; /* it may have died before the callback was there */
    *failure = describe("libvirtd does not answer at %s: %s", session->uri, virGetLastErrorMessage());
    if (connection) close_connection(connection, events);
    return NULL;
}

static bool is_ending(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    bool result = session->is_ending;
    pthread_mutex_unlock(&session->lock);
    return result;
}

static void rest(struct session *session, int duration_ms)
{
    int64_t until_ms = monotonic_ms() + duration_ms;
    int waited = 0;

    pthread_mutex_lock(&session->lock);
    while (!session->is_ending && waited == 0) waited = wait_condition(&session->changed, &session->lock, until_ms);
    pthread_mutex_unlock(&session->lock);
}

/** Waits until the connection is lost and returns why, or NULL when the session ends. */
static const char *wait_for_loss(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    while (!session->loss && !session->is_ending) wait_condition(&session->changed, &session->lock, 0);
    const char *loss = session->loss;
    pthread_mutex_unlock(&session->lock);
    return loss;
}

/** The keeper. The only thread that changes the session's state, so no stale news can overtake a newer one. */
static void *keep_connected(void *argument)
{
    struct session *session = argument;
    struct event_registration events = { 0 };
    int backoff_ms = FIRST_BACKOFF_MS;

    while (!is_ending(session)) {
        char *failure = NULL;
        virConnectPtr connection = open_connection(session, &events, &failure);
        if (!connection) {
            announce(session, STATE_DISCONNECTED, failure);
            rest(session, backoff_ms);
            backoff_ms = backoff_ms * 2 < LONGEST_BACKOFF_MS ? backoff_ms * 2 : LONGEST_BACKOFF_MS;
            continue;
        }
        announce(session, STATE_CONNECTED, describe("Connected to libvirtd at %s.%s", session->uri, ""));
        const char *loss = wait_for_loss(session);
        if (loss) announce(session, STATE_DISCONNECTED, describe("The connection to libvirtd at %s was lost: %s.", session->uri, loss));
        close_connection(connection, &events);
        backoff_ms = FIRST_BACKOFF_MS;
    }
    session_release(session);
    return NULL;
}

char *session_obstacle(struct session *session, int64_t deadline_ms)
{
    int waited = 0;

    pthread_mutex_lock(&session->lock);
    while (session->state == STATE_CONNECTING && !session->is_ending && waited == 0) {
        waited = wait_condition(&session->changed, &session->lock, deadline_ms);
    }
    char *obstacle = session->state == STATE_CONNECTED ? NULL : strdup(session->message);
    pthread_mutex_unlock(&session->lock);
    return obstacle;
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
    session->outlet = outlet_open(read_end);
    failure = session->outlet ? start_thread("bothy-keep", keep_connected, session) : errno;
    if (!failure) return session;
    errno = failure;
    return NULL; /* what little it holds is left: the process has no threads or descriptors left either */
}
