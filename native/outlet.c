/** See outlet.h. */
#define _GNU_SOURCE
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "thread.h"

struct line {
    struct line *next;
    struct json json;
    bool is_event;
};

struct outlet {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    int fd;
    struct line *head;
    struct line **tail;
    int waiting_events;
    bool has_dropped;
    bool is_closing;
};

static void enqueue(struct outlet *outlet, struct json *json, bool is_event)
{
    struct line *line = calloc(1, sizeof *line);

    json_raw(json, "\n");
    if (!line || json->is_broken) {
        free(line);
        json_free(json);
        return;
    }
    *line = (struct line){ .json = *json, .is_event = is_event };
    *json = (struct json){ 0 };
    *outlet->tail = line;
    outlet->tail = &line->next;
    outlet->waiting_events += is_event;
    pthread_cond_signal(&outlet->has_work);
}

void outlet_send(struct outlet *outlet, struct json *line)
{
    pthread_mutex_lock(&outlet->lock);
    enqueue(outlet, line, false);
    pthread_mutex_unlock(&outlet->lock);
}

void outlet_send_event(struct outlet *outlet, struct json *line)
{
    pthread_mutex_lock(&outlet->lock);
    if (outlet->waiting_events < EVENT_LIMIT) {
        enqueue(outlet, line, true);
    } else {
        outlet->has_dropped = true;
        json_free(line);
    }
    pthread_mutex_unlock(&outlet->lock);
}

static void announce_dropped(struct outlet *outlet)
{
    struct json line = { 0 };

    outlet->has_dropped = false;
    json_raw(&line, "{\"event\":\"resync\"}");
    enqueue(outlet, &line, false);
}

/** The next line to write, or NULL when the outlet is closing. */
static struct line *take(struct outlet *outlet)
{
    pthread_mutex_lock(&outlet->lock);
    if (outlet->has_dropped && outlet->waiting_events == 0) announce_dropped(outlet);
    while (!outlet->head && !outlet->is_closing) pthread_cond_wait(&outlet->has_work, &outlet->lock);
    struct line *line = outlet->is_closing ? NULL : outlet->head;
    if (line) {
        outlet->head = line->next;
        if (!outlet->head) outlet->tail = &outlet->head;
        outlet->waiting_events -= line->is_event;
    }
    pthread_mutex_unlock(&outlet->lock);
    return line;
}

static bool is_written(int fd, const struct json *json)
{
    for (size_t at = 0; at < json->length;) {
        ssize_t count = write(fd, json->text + at, json->length - at);
        if (count < 0 && errno != EINTR) return false;
        if (count > 0) at += (size_t)count;
    }
    return true;
}

/** Writes until closed. When the reader has gone (EPIPE) it goes on emptying the queue, so that nothing piles up. */
static void *write_lines(void *argument)
{
    struct outlet *outlet = argument;
    struct line *line;

    while ((line = take(outlet))) {
        if (outlet->fd >= 0 && !is_written(outlet->fd, &line->json)) {
            close(outlet->fd);
            outlet->fd = -1;
        }
        json_free(&line->json);
        free(line);
    }
    while ((line = outlet->head)) {
        outlet->head = line->next;
        json_free(&line->json);
        free(line);
    }
    if (outlet->fd >= 0) close(outlet->fd);
    free(outlet);
    return NULL;
}

struct outlet *outlet_open(int *read_end)
{
    int ends[2];
    struct outlet *outlet = calloc(1, sizeof *outlet);

    if (!outlet) return NULL;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        free(outlet);
        return NULL;
    }
    *outlet = (struct outlet){ .fd = ends[1], .tail = &outlet->head };
    pthread_mutex_init(&outlet->lock, NULL);
    init_condition(&outlet->has_work);
    int failure = start_thread("bothy-write", write_lines, outlet);
    if (failure) {
        close(ends[0]);
        close(ends[1]);
        free(outlet);
        errno = failure;
        return NULL;
    }
    *read_end = ends[0];
    return outlet;
}

void outlet_close(struct outlet *outlet)
{
    pthread_mutex_lock(&outlet->lock);
    outlet->is_closing = true;
    pthread_cond_signal(&outlet->has_work);
    pthread_mutex_unlock(&outlet->lock);
}
