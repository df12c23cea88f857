/** See lane.h. */
#include "lane.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "thread.h"

#define MOST_THREADS 8

static const struct {
    const char *thread_name;
    int threads;
    bool is_one_per_domain;
} plan[LANE_COUNT] = {
    [LANE_QUERY] = { "bothy-query", 4, false },
    [LANE_GUEST] = { "bothy-guest", 8, true },
    [LANE_STATS] = { "bothy-stats", 4, false },
    [LANE_POWER] = { "bothy-power", 4, false },
    [LANE_AGENT] = { "bothy-agent", 4, true },
};

struct lane {
    pthread_cond_t has_work;
    struct call *head;
    struct call **tail;
    int length;
    const char *busy_with[MOST_THREADS]; /* UUID that each thread works on */
};

struct worker {
    struct lanes *lanes;
    enum lane_id lane;
    int number;
    virConnectPtr connection; /* opened when first needed, and again when lost */
};

struct lanes {
    pthread_mutex_t lock;
    struct session *session;
    bool is_ending;
    int references; /* one for each thread and one for who started them */
    struct lane lanes[LANE_COUNT];
};

/** The UUID that a call must have to itself, or NULL. */
static const char *exclusive_domain(const struct call *call)
{
    bool is_exclusive = plan[call->operation->lane].is_one_per_domain && call->operation->run_on_domain;

    return is_exclusive ? call->arguments[0] : NULL;
}

static bool is_busy(const struct lane *lane, const char *uuid)
{
    for (int i = 0; uuid && i < MOST_THREADS; i++) {
        if (lane->busy_with[i] && strcmp(lane->busy_with[i], uuid) == 0) return true;
    }
    return false;
}

/** Unlinks the first call whose domain no thread works on. */
static struct call *unlink_next(struct lane *lane)
{
    for (struct call **at = &lane->head; *at; at = &(*at)->next) {
        struct call *call = *at;
        if (is_busy(lane, exclusive_domain(call))) continue;
        *at = call->next;
        if (!call->next) lane->tail = at;
        lane->length -= 1;
        return call;
    }
    return NULL;
}

/** The next call for this thread, or NULL when the lanes end. */
static struct call *take(struct worker *worker)
{
    struct lanes *lanes = worker->lanes;
    struct lane *lane = &lanes->lanes[worker->lane];
    struct call *call = NULL;

    pthread_mutex_lock(&lanes->lock);
    while (!lanes->is_ending && !(call = unlink_next(lane))) pthread_cond_wait(&lane->has_work, &lanes->lock);
    if (call) lane->busy_with[worker->number] = exclusive_domain(call);
    pthread_mutex_unlock(&lanes->lock);
    return call;
}

/** Frees the domain for the next call in line. */
static void give_back(struct worker *worker)
{
    struct lane *lane = &worker->lanes->lanes[worker->lane];

    pthread_mutex_lock(&worker->lanes->lock);
    if (lane->busy_with[worker->number]) pthread_cond_signal(&lane->has_work);
    lane->busy_with[worker->number] = NULL;
    pthread_mutex_unlock(&worker->lanes->lock);
}

/** Sees to it that the worker has a connection that stands. Returns NULL or why not; the caller frees it. */
static char *connect_worker(struct worker *worker, int64_t deadline_ms)
{
    struct session *session = worker->lanes->session;
    char *obstacle = session_obstacle(session, deadline_ms);

    if (obstacle) return obstacle;
    if (worker->connection && virConnectIsAlive(worker->connection) == 1) return NULL;
    if (worker->connection) virConnectClose(worker->connection);
    worker->connection = session_connect(session);
    return worker->connection ? NULL : strdup(virGetLastErrorMessage());
}

static void run_connected(struct worker *worker, struct call *call)
{
    char *obstacle = connect_worker(worker, call->deadline_ms);

    if (obstacle) {
        fail_with(call, obstacle, false);
        free(obstacle);
        return;
    }
    virResetLastError();
    call->connection = worker->connection;
    call_run(call);
}

static void release(struct lanes *lanes)
{
    pthread_mutex_lock(&lanes->lock);
    int left = --lanes->references;
    pthread_mutex_unlock(&lanes->lock);
    if (left == 0) free(lanes);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct session *session = worker->lanes->session;
    struct call *call;

    while ((call = take(worker))) {
        if (monotonic_ms() < call->deadline_ms) {
            struct json line = { 0 };
            run_connected(worker, call);
            call_print(call, &line);
            session_send(session, &line);
        }
        give_back(worker);
        call_free(call);
    }
    if (worker->connection) virConnectClose(worker->connection);
    release(worker->lanes);
    session_release(session);
    free(worker);
    return NULL;
}

static int start_worker(struct lanes *lanes, enum lane_id lane, int number)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (!worker) return ENOMEM;
    *worker = (struct worker){ .lanes = lanes, .lane = lane, .number = number };
    session_hold(lanes->session);
    pthread_mutex_lock(&lanes->lock);
    lanes->references += 1;
    pthread_mutex_unlock(&lanes->lock);
    int failure = start_thread(plan[lane].thread_name, work, worker);
    if (failure) {
        release(lanes);
        session_release(lanes->session);
        free(worker);
    }
    return failure;
}

struct lanes *lanes_start(struct session *session)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    int failure = 0;

    if (!lanes) return NULL;
    lanes->session = session;
    lanes->references = 1;
    pthread_mutex_init(&lanes->lock, NULL);
    for (int id = 0; id < LANE_COUNT; id++) {
        pthread_cond_init(&lanes->lanes[id].has_work, NULL);
        lanes->lanes[id].tail = &lanes->lanes[id].head;
    }
    for (int id = 0; id < LANE_COUNT; id++) {
        for (int i = 0; i < plan[id].threads && !failure; i++) failure = start_worker(lanes, (enum lane_id)id, i);
    }
    if (!failure) return lanes;
    lanes_end(lanes);
    errno = failure;
    return NULL;
}

int lanes_submit(struct lanes *lanes, struct call *call)
{
    struct lane *lane = &lanes->lanes[call->operation->lane];

    pthread_mutex_lock(&lanes->lock);
    bool is_full = lane->length >= LANE_QUEUE_LIMIT;
    if (!is_full) {
        *lane->tail = call;
        lane->tail = &call->next;
        lane->length += 1;
        pthread_cond_signal(&lane->has_work);
    }
    pthread_mutex_unlock(&lanes->lock);
    return is_full ? -EAGAIN : 0;
}

void lanes_end(struct lanes *lanes)
{
    pthread_mutex_lock(&lanes->lock);
    lanes->is_ending = true;
    for (int id = 0; id < LANE_COUNT; id++) {
        struct lane *lane = &lanes->lanes[id];
        while (lane->head) {
            struct call *call = lane->head;
            lane->head = call->next;
            call_free(call);
        }
        pthread_cond_broadcast(&lane->has_work);
    }
    pthread_mutex_unlock(&lanes->lock);
    release(lanes);
}
