/** See watchdog.h. */
#define _GNU_SOURCE
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "outlet.h"
#include "thread.h"
#include "wdmd.h"

enum verb { VERB_CONNECT, VERB_LIVE, VERB_RELEASE, VERB_END };

/** Smaller than PIPE_BUF, so it goes through the pipe whole. */
struct request {
    enum verb verb;
    uint32_t id;
    int64_t deadline_ms;
    long long first;
    long long second;
};

/* Only Node's main thread comes to the functions below, so this needs no lock; the thread has copies. */
static struct {
    bool is_open;
    int requests; /* the end that is written to */
    int output;
} place;

struct keeper {
    int requests;
    int connection; /* -1 while there is none */
    struct outlet *outlet;
};

static void answer_failure(struct keeper *keeper, uint32_t id, const char *doing, const char *cause)
{
    struct json line = { 0 };
    char message[512];

    snprintf(message, sizeof message, "%s: %s", doing, cause);
    json_raw(&line, "{\"id\":%u,\"error\":{\"code\":0,\"isConnected\":true,\"message\":", id);
    json_string(&line, message);
    json_raw(&line, "}}");
    outlet_send(keeper->outlet, &line);
}

static void answer(struct keeper *keeper, uint32_t id, const struct wdmd_timing *timing)
{
    struct json line = { 0 };

    if (timing) json_raw(&line, "{\"id\":%u,\"ok\":{\"fireSeconds\":%d,\"testSeconds\":%d}}", id, timing->fire_seconds, timing->test_seconds);
    else json_raw(&line, "{\"id\":%u,\"ok\":null}", id);
    outlet_send(keeper->outlet, &line);
}

/** Goes on with the connection that is there. Returns 0 or -errno; it is gone unless that is -ETIMEDOUT. */
static int go_on(struct keeper *keeper, struct wdmd_timing *timing)
{
    int failure = keeper->connection < 0 ? -ENOTCONN : wdmd_resume(keeper->connection, timing);

    if (failure && failure != -ETIMEDOUT) keeper->connection = -1;
    return failure;
}

static void connect_to_daemon(struct keeper *keeper, const struct request *request)
{
    struct wdmd_timing timing;
    const char *obstacle = wdmd_load();

    if (obstacle) return answer_failure(keeper, request->id, "libwdmd cannot be loaded", obstacle);
    if (keeper->connection < 0 && request->second >= 0) {
        keeper->connection = (int)request->second;
        fcntl(keeper->connection, F_SETFD, FD_CLOEXEC); /* else the tools that we start would inherit it */
    }
    int failure = go_on(keeper, &timing);
    if (failure && failure != -ETIMEDOUT) {
        int connection = wdmd_begin((int)request->first, &timing);
        failure = connection < 0 ? connection : 0;
        if (!failure) {
            keeper->connection = connection;
            fcntl(connection, F_SETFD, FD_CLOEXEC);
            keep_with_systemd(connection);
        }
    }
    if (failure) return answer_failure(keeper, request->id, "wdmd", strerror(-failure));
    answer(keeper, request->id, &timing);
}

static void tell_live(struct keeper *keeper, const struct request *request)
{
    if (keeper->connection < 0) return answer_failure(keeper, request->id, "wdmd", "not connected");
    int failure = wdmd_live(keeper->connection, (uint64_t)request->first, (uint64_t)request->second);
    if (failure) return answer_failure(keeper, request->id, "wdmd", strerror(-failure));
    answer(keeper, request->id, NULL);
}

static void release_device(struct keeper *keeper, const struct request *request)
{
    int failure = 0;

    if (keeper->connection >= 0) {
        failure = wdmd_end(keeper->connection);
        keeper->connection = -1;
        keep_with_systemd(-1);
    }
    if (failure) return answer_failure(keeper, request->id, "wdmd", strerror(-failure));
    answer(keeper, request->id, NULL);
}

static void *keep(void *argument)
{
    struct keeper *keeper = argument;
    struct request request;

    while (read(keeper->requests, &request, sizeof request) == sizeof request && request.verb != VERB_END) {
        if (monotonic_ms() >= request.deadline_ms) continue; /* a sign of life that comes late would be a lie */
        if (request.verb == VERB_CONNECT) connect_to_daemon(keeper, &request);
        else if (request.verb == VERB_LIVE) tell_live(keeper, &request);
        else release_device(keeper, &request);
    }
    close(keeper->requests);
    outlet_close(keeper->outlet);
    free(keeper);
    return NULL;
}

/** `verb 0x1f number 0x1f number`; false when it is none of ours. */
static bool parse(const char *text, struct request *request)
{
    long long first = 0, second = 0;
    int end = 0;

    if (strcmp(text, "release") == 0) request->verb = VERB_RELEASE;
    else if (sscanf(text, "connect\x1f%lld\x1f%lld%n", &first, &second, &end) == 2 && !text[end]) request->verb = VERB_CONNECT;
    else if (sscanf(text, "live\x1f%lld\x1f%lld%n", &first, &second, &end) == 2 && !text[end]) request->verb = VERB_LIVE;
    else return false;
    request->first = first;
    request->second = second;
    return true;
}

static int send_request(const struct request *request)
{
    return write(place.requests, request, sizeof *request) == sizeof *request ? 0 : -errno;
}

int bothy_watchdog_open(const char *unused)
{
    int ends[2];
    struct keeper *keeper = calloc(1, sizeof *keeper);

    (void)unused;
    if (place.is_open) return -EBUSY;
    if (!keeper || pipe2(ends, O_CLOEXEC) < 0) return -errno;
    fcntl(ends[1], F_SETFL, O_NONBLOCK); /* Node must never wait for the thread */
    *keeper = (struct keeper){ .requests = ends[0], .connection = -1, .outlet = outlet_open(&place.output) };
    int failure = keeper->outlet ? start_thread("bothy-watchdog", keep, keeper) : errno;
    if (failure) return -failure;
    place.requests = ends[1];
    place.is_open = true;
    return 0;
}

int bothy_watchdog_output(int handle)
{
    return handle == 0 && place.is_open ? place.output : -EBADF;
}

int bothy_watchdog_submit(int handle, uint32_t id, int deadline_ms, const uint8_t *bytes, int length)
{
    char text[96];
    struct request request = { .id = id, .deadline_ms = monotonic_ms() + deadline_ms };

    if (handle != 0 || !place.is_open) return -EBADF;
    if (length < 0 || (size_t)length >= sizeof text) return -EINVAL;
    memcpy(text, bytes, (size_t)length);
    text[length] = '\0';
    return parse(text, &request) ? send_request(&request) : -EINVAL;
}

int bothy_watchdog_close(int handle)
{
    if (handle != 0 || !place.is_open) return -EBADF;
    send_request(&(struct request){ .verb = VERB_END });
    close(place.requests);
    place.is_open = false;
    return 0;
}
